// Draws the charts of the page from the data that it carries. Makes no request, and writes no HTML from data:
// what it puts into a tooltip is escaped, everything else is text on a canvas.
"use strict";
(() => {
  const began = performance.now();
  const time = [];        // charts over time: zoomed and hovered together
  const drawn = [];       // all charts, with what makes their options
  const colours = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const escaped = text => String(text).replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`);

  const { digits, texts, span } = window.loadtestFigures;  // figures.js

  // --- what all charts have -------------------------------------------------------------------------------------
  const base = () => ({
    animation: false,
    textStyle: { color: colours("--text"), fontFamily: "system-ui, sans-serif" },
    aria: { enabled: false },  // it would put a list of numbers in place of each chart's own label
    grid: { left: 8, right: 26, top: 34, bottom: 6, containLabel: true },
    legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 12, icon: "roundRect", type: "scroll", textStyle: { color: colours("--dim") },
              pageTextStyle: { color: colours("--dim") }, pageIconColor: colours("--dim") },
    tooltip: { confine: true, backgroundColor: colours("--raised"), borderColor: colours("--line"),
               textStyle: { color: colours("--text"), fontSize: 12 }, transitionDuration: 0 },
  });
  const axis = (more) => ({
    axisLine: { lineStyle: { color: colours("--line") } }, axisTick: { show: false },
    axisLabel: { color: colours("--dim"), hideOverlap: true, ...more.label },
    splitLine: { lineStyle: { color: colours("--line"), opacity: .6 } }, minorSplitLine: { show: false }, ...more.rest,
  });
  const tooltip = (unit, title) => parts => {
    const rows = [].concat(parts).filter(part => part.value && part.value[1] !== null && part.value[1] !== undefined);
    if (!rows.length) return "";
    const lines = rows.map(part =>
      `<tr><td style="text-align:left">${part.marker}${escaped(part.seriesName)}</td><td>&nbsp;${escaped(texts[unit](part.value[1]))}</td></tr>`);
    return `<b>${escaped(title(rows[0].value[0]))}</b><table>${lines.join("")}</table>`;
  };

  // With *height*, a function, the chart is made anew for each width: its layout depends on it.
  function chart(place, title, label, option, size = "", height = null) {
    const box = document.createElement("div"), name = document.createElement("p"), canvas = document.createElement("div");
    name.className = "chart-title";
    name.textContent = title;
    canvas.className = `chart ${size}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}. ${label}`);
    box.append(name, canvas);
    if (height) canvas.style.height = `${height()}px`;
    document.getElementById(place).append(box);
    const made = echarts.init(canvas, null, { renderer: "canvas" });
    made.setOption(option());
    drawn.push([made, option, height]);
    return made;
  }

  // --- charts over time -----------------------------------------------------------------------------------------
  const shades = (data, end, tell) => data.phases.filter(([name]) => name !== "measured" && name !== "done")
    .filter(([, from, to]) => to > from)
    .map(([name, from, to]) => [{ xAxis: from, name: tell && to - from > end / 12 ? name : "" }, { xAxis: to }]);
  const outages = data => data.outages.map(([from, to, group]) =>
    [{ xAxis: from, name: "", itemStyle: { color: colours("--outage") }, group }, { xAxis: to }]);
  const marks = data => data.events.slice(0, 40).map(([at, code]) => ({ xAxis: at, name: code }));
  const lines = values => data => data.t_s.map((at, place) => [at, values[place]]);

  function over(data, place, title, unit, series, more = {}) {
    const end = Math.max(data.t_s.at(-1) + data.per_point_s, ...data.phases.map(([, , to]) => to));
    const option = () => {
      const looks = base();
      looks.color = series.map((each, number) => colours(each.colour || `--c${number % 8}`));
      looks.legend.data = series.filter(each => each.legend !== false).map(each => each.name);
      looks.legend.selected = Object.fromEntries(series.filter(each => each.hidden).map(each => [each.name, false]));
      looks.tooltip = { ...looks.tooltip, trigger: "axis", axisPointer: { type: "line", snap: true }, formatter: tooltip(unit, span) };
      looks.xAxis = axis({ label: { formatter: span, showMaxLabel: false }, rest: { type: "value", min: 0, max: end, splitLine: { show: false } } });
      looks.yAxis = axis({ label: { formatter: texts[unit] }, rest: { type: more.log ? "log" : "value", min: more.log ? undefined : 0, minInterval: unit === "count" || unit === "messages" ? 1 : 0 } });
      looks.dataZoom = [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "shift", moveOnMouseWheel: false, moveOnMouseMove: false }];
      looks.toolbox = { show: true, itemSize: 0, feature: { dataZoom: { yAxisIndex: false, filterMode: "none", icon: { zoom: "path://", back: "path://" } } } };
      looks.series = series.map(each => ({
        name: each.name, type: "line", symbol: each.values.filter(value => value !== null).length < 2 ? "circle" : "none", symbolSize: 5,
        data: lines(each.values)(data), step: each.step, connectNulls: false, sampling: data.t_s.length > 1500 ? "lttb" : undefined,
        lineStyle: { width: each.width || 1.6, type: each.dash ? "dashed" : "solid" },
        areaStyle: each.area ? { opacity: each.area } : undefined, stack: each.stack, emphasis: { disabled: true }, z: each.z || 2,
      }));
      looks.series.push({
        name: "", type: "line", data: [], silent: true,
        markArea: { silent: true, itemStyle: { color: colours("--shade") }, label: { color: colours("--dim"), position: "insideTop", fontSize: 10, formatter: area => area.name.replace("_", "-") }, data: [...shades(data, end, more.tell), ...outages(data)] },
        markLine: { silent: true, symbol: "none", lineStyle: { color: colours("--event"), type: "dotted", width: 1.2 }, label: { show: more.tell === true, color: colours("--event"), fontSize: 10, formatter: line => line.name, position: "insideEndBottom" }, data: marks(data) },
      });
      return looks;
    };
    const made = chart(place, title, more.label || "Over the time of the run.", option, more.size);
    time.push(made);
    return made;
  }

  function zoomTogether() {
    for (const each of time) each.getZr().on("dblclick", whole);
    document.addEventListener("keydown", event => { if (event.key === "Escape") whole(); });
    // Connected charts hand on what happens to one of them: zoom and pointer.
    for (const each of time) each.group = "time";
    echarts.connect("time");
    dragToZoom();
  }
  function whole() {
    time[0].dispatchAction({ type: "dataZoom", dataZoomIndex: 0, start: 0, end: 100 });
  }
  // A drag across a chart selects the time that all of them show.
  function dragToZoom() {
    for (const each of time) {
      const canvas = each.getDom();
      let from = null, box = null;
      canvas.addEventListener("pointerdown", event => {
        if (event.pointerType !== "mouse" || event.button !== 0) return;
        const at = event.offsetX;
        if (!each.containPixel("grid", [at, event.offsetY])) return;
        from = at;
      });
      canvas.addEventListener("pointermove", event => {
        if (from === null) return;
        if (!box) {
          box = document.createElement("div");
          box.className = "selection";
          Object.assign(box.style, { position: "absolute", top: "34px", bottom: "24px", background: colours("--shade"), border: `1px solid ${colours("--c1")}`, pointerEvents: "none" });
          canvas.append(box);
        }
        Object.assign(box.style, { left: `${Math.min(from, event.offsetX)}px`, width: `${Math.abs(event.offsetX - from)}px` });
      });
      const done = event => {
        if (from !== null && box && event.type === "pointerup" && Math.abs(event.offsetX - from) > 6) {
          const ends = [from, event.offsetX].map(at => each.convertFromPixel({ xAxisIndex: 0 }, at)).sort((a, b) => a - b);
          each.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, startValue: ends[0], endValue: ends[1] });
        }
        if (box) box.remove();
        from = box = null;
      };
      canvas.addEventListener("pointerup", done);
      canvas.addEventListener("pointerleave", done);
    }
  }

  // --- the charts of one run --------------------------------------------------------------------------------------
  const RATES = { offered: "--c0", published: "--c1", confirmed: "--c2", delivered: "--c3", got: "--c4" };
  const positive = values => values.map(value => value === null ? null : Math.max(value, 1));

  function rates(data) {
    if (!data.rates.length) return;
    const single = data.rates.filter(rate => rate.group !== null);
    over(data, "rates-charts", "Messages a second", "rate", data.rates.map(rate => ({
      name: rate.group === null ? rate.name : `${rate.name} ${rate.group}`, colour: RATES[rate.name], values: rate.values,
      z: rate.name === "offered" ? 5 : 2, dash: rate.name === "offered" || rate.group !== null, width: rate.group === null ? 1.8 : 1.1, hidden: rate.group !== null,
    })), { tell: true, size: "tall", label: `Offered, published, confirmed, delivered and got messages a second.${single.length ? " Groups can be shown by the legend." : ""}` });
  }
  function latencies(data) {
    for (const each of data.latencies) {
      const p50 = positive(each.p50_ns), p99 = positive(each.p99_ns), max = positive(each.max_ns);
      over(data, "latency-charts", `${each.group}: ${each.latency.replaceAll("_", " ")}`, "ns", [
        { name: "max", values: max, colour: "--c3", width: 1, dash: true },
        { name: "p99", values: p99, colour: "--c1", width: 1.6, area: .12 },
        { name: "p50", values: p50, colour: "--c2", width: 1.6, area: .18 },
      ], { log: true, size: each.latency === "lateness" ? "low" : "", label: "Median, 99th percentile and maximum of each second, logarithmic." });
    }
  }
  const nines = share => 1 / Math.max(1 - share / 100, 1e-12);
  const nine = value => {
    return value <= 1.0001 ? "0%" : `${(100 - 100 / value).toFixed(Math.max(0, Math.round(Math.log10(value)) - 2))}%`;
  };
  function curves(place, sets, title) {
    if (!sets.length) return;
    const option = () => {
      const looks = base();
      looks.color = sets.map((each, number) => colours(each.colour || `--c${(number % 7) + 1}`));
      if (sets.some(each => each.line)) looks.legend = { ...looks.legend, itemWidth: 26, icon: undefined };
      looks.tooltip = { ...looks.tooltip, trigger: "axis", formatter: tooltip("ns", value => `${digits(100 - 100 / value, 6)}%`) };
      looks.xAxis = axis({ label: { formatter: nine }, rest: { type: "log", min: 1, splitLine: { show: true, lineStyle: { color: colours("--line"), opacity: .6 } } } });
      looks.yAxis = axis({ label: { formatter: texts.ns }, rest: { type: "log" } });
      looks.series = sets.map(each => ({
        name: each.name, type: "line", symbol: each.symbol || "none", showSymbol: false, emphasis: { disabled: true }, lineStyle: { width: each.dash ? 1.2 : 1.8, type: each.line || (each.dash ? "dashed" : "solid") },
        data: each.points.map(([share, value]) => [nines(share), Math.max(value, 1)]),
      }));
      return looks;
    };
    chart(place, title, "Latency by percentile; each step to the right is another nine.", option, "tall");
  }
  function heats(data) {
    document.getElementById("heat-title").hidden = !data.heat.length;
    for (const each of data.heat) {
      const most = Math.max(...each.cells.map(cell => cell[2]));
      const low = each.edges_ns[0], high = each.edges_ns.at(-1);
      const cells = each.cells.map(([at, row, count]) => [at, each.edges_ns[row], at + each.width_s, each.edges_ns[row + 1], count]);
      const option = () => {
        const looks = base();
        const end = Math.max(data.t_s.at(-1) + data.per_point_s, ...data.phases.map(([, , to]) => to));
        looks.legend = undefined;
        looks.grid.top = 10;
        looks.tooltip = { ...looks.tooltip, trigger: "item", formatter: part => {
          const [from, bottom, to, top, count] = part.value;
          return `<b>${escaped(span(from))} to ${escaped(span(to))}</b><br>${escaped(texts.ns(bottom))} to ${escaped(texts.ns(top))}: ${escaped(digits(count, 6))} messages`;
        } };
        looks.xAxis = axis({ label: { formatter: span, showMaxLabel: false }, rest: { type: "value", min: 0, max: end, splitLine: { show: false } } });
        looks.yAxis = axis({ label: { formatter: texts.ns }, rest: { type: "log", min: low, max: high } });
        looks.dataZoom = [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "shift", moveOnMouseWheel: false, moveOnMouseMove: false }];
        looks.visualMap = { show: false, type: "continuous", dimension: 5, min: 0, max: 1, inRange: { color: [colours("--heat-low"), colours("--c1"), colours("--heat-high")] } };
        looks.series = [{
          type: "custom", clip: true, encode: { x: [0, 2], y: [1, 3] }, dimensions: ["from", "bottom", "to", "top", "count", "shade"],
          data: cells.map(cell => [...cell, most > 1 ? Math.log(cell[4]) / Math.log(most) : 1]),
          renderItem: (_, api) => {
            const [left, top] = api.coord([api.value(0), api.value(3)]), [right, bottom] = api.coord([api.value(2), api.value(1)]);
            return { type: "rect", shape: { x: left, y: top, width: Math.max(right - left, 1), height: Math.max(bottom - top, 1) }, style: { fill: api.visual("color") } };
          },
        }];
        return looks;
      };
      time.push(chart("heat-charts", `${each.group}: ${each.latency.replaceAll("_", " ")}`, "How many messages had which latency when; darker is more, logarithmic.", option));
    }
  }
  const PANEL = { "memory limit": { dash: true, colour: "--c0" }, "memory": { colour: "--c1" } };
  function panels(data) {
    document.getElementById("panel-charts").className = "pair";
    for (const panel of data.panels) {
      const step = panel.unit === "count" ? "end" : undefined;
      over(data, "panel-charts", panel.title, panel.unit, panel.series.map((each, number) => ({
        colour: `--c${(number % 7) + 1}`, step, area: number === 0 && !step ? .1 : undefined, ...each, ...(PANEL[each.name] || {}),
      })), { size: "low" });
    }
  }
  function users(data) {
    for (const each of data.users) {
      const sorted = [...each.values].sort((a, b) => b - a);
      chart("user-charts", `${each.group}: messages by user, most first`, "Bars of equal height mean an even share.", () => {
        const looks = base();
        looks.legend = undefined;
        looks.grid.top = 10;
        looks.color = [colours("--c1")];
        looks.tooltip = { ...looks.tooltip, trigger: "axis", formatter: tooltip("messages", place => `user ${place + 1} of ${sorted.length}`) };
        looks.xAxis = axis({ label: { show: false }, rest: { type: "value", min: -0.5, max: sorted.length - 0.5, splitLine: { show: false } } });
        looks.yAxis = axis({ label: { formatter: texts.messages }, rest: { type: "value", min: 0 } });
        looks.series = [{ name: "messages", type: "bar", large: sorted.length > 400, barMaxWidth: 40, data: sorted.map((count, place) => [place, count]) }];
        return looks;
      }, "low");
    }
  }

  function drawRun(data) {
    if (data.per_point_s > 1) {
      document.getElementById("merged").textContent =
        ` Each point stands for ${data.per_point_s} s: mean rate, middle p50, highest p99 and maximum.`;
    }
    rates(data);
    latencies(data);
    curves("curve-charts", data.curves.map(curve => ({
      name: `${curve.group} ${curve.latency.replaceAll("_", " ")}${curve.uncorrected ? ", uncorrected" : ""}`, points: curve.points, dash: curve.uncorrected,
    })), "By percentile, from the intended time and uncorrected");
    heats(data);
    panels(data);
    users(data);
  }

  // --- several runs, side by side ---------------------------------------------------------------------------------
  function drawRuns(data) {
    const starts = data.runs.map(run => run.measured_from_s);
    for (const set of data.over) {
      const option = () => {
        const looks = base();
        looks.color = data.runs.map((_, number) => colours(`--c${(number % 7) + 1}`));
        looks.tooltip = { ...looks.tooltip, trigger: "axis", formatter: tooltip(set.unit, span) };
        looks.xAxis = axis({ label: { formatter: span }, rest: { type: "value", splitLine: { show: false } } });
        looks.yAxis = axis({ label: { formatter: texts[set.unit] }, rest: set.unit === "ns" ? { type: "log" } : { type: "value", min: 0 } });
        looks.dataZoom = [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "shift", moveOnMouseWheel: false, moveOnMouseMove: false }];
        looks.series = set.series.map(({ run, t_s, values }) => ({
          name: `run ${run + 1}`, type: "line", symbol: "none", emphasis: { disabled: true }, color: colours(`--c${(run % 7) + 1}`), sampling: "lttb",
          data: t_s.map((at, place) => [at - starts[run], set.unit === "ns" && values[place] !== null ? Math.max(values[place], 1) : values[place]]),
        }));
        return looks;
      };
      time.push(chart("over-charts", set.title, "One line a run; time counts from the begin of the measured part.", option));
    }
    for (const set of data.curves) {
      curves("curve-charts", set.series.map(({ run, points }) => ({ name: `run ${run + 1}`, points, colour: `--c${(run % 7) + 1}` })), set.title);
    }
  }

  // --- begin ------------------------------------------------------------------------------------------------------
  async function unpacked(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), sign => sign.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
  }
  function resize() {
    for (const [made, option, height] of drawn) {
      if (height) {
        made.getDom().style.height = `${height()}px`;
        made.setOption(option(), { notMerge: true });
      }
      made.resize();
    }
  }
  function redraw() {
    for (const [made, option] of drawn) made.setOption(option(), { notMerge: false });
  }
  async function begin() {
    if (typeof DecompressionStream === "undefined") {
      document.getElementById("too-old").hidden = false;
      return;
    }
    const [library, data] = await Promise.all([unpacked("library"), unpacked("charts")]);
    const script = document.createElement("script");
    script.nonce = document.currentScript ? document.currentScript.nonce : document.querySelector("script[nonce]").nonce;
    script.textContent = library;
    document.head.append(script);
    const shown = JSON.parse(data);
    if (window.loadtestDraw) window.loadtestDraw({ chart, curves, base, axis, texts, digits, colours, escaped }, shown);
    else if (shown.runs) drawRuns(shown); else if (shown.t_s.length || shown.curves.length) drawRun(shown);
    if (time.length) zoomTogether();
    new ResizeObserver(resize).observe(document.querySelector("main"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    addEventListener("beforeprint", () => {
      document.documentElement.classList.add("printing");
      for (const fold of document.querySelectorAll("details")) fold.open = true;
      redraw();
      resize();
    });
    addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); redraw(); });
    document.documentElement.dataset.drawnMs = String(Math.round(performance.now()));
    document.documentElement.dataset.scriptMs = String(Math.round(performance.now() - began));
    window.loadtestCharts = { time, drawn };
  }
  begin().catch(error => {
    document.documentElement.dataset.failed = String(error);
    document.getElementById("too-old").hidden = false;
    throw error;
  });
})();
