// Draws the charts of a sweep, with the tools of report.js, which calls this when the data is unpacked.
// Writes no HTML from data but escaped; everything else is text, on a canvas or in an element.
"use strict";
window.loadtestDraw = (tools, data) => {
  const { chart, base, axis, texts, digits, colours, escaped } = tools;
  // By colour and by form: a reader who sees no colours has line types and symbols.
  const LINES = ["solid", "dashed", "dotted", [10, 3, 2, 3], [16, 4], [2, 6]];
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];
  const look = number => ({ colour: `--c${(number % 7) + 1}`, line: LINES[number % LINES.length], symbol: SYMBOLS[number % SYMBOLS.length] });
  // As the tables have it: less than a core in percent of it.
  const textOf = unit => unit === "cores" ? value => value < 1 ? `${digits(value * 100, 3)}%` : texts.cores(value) : texts[unit];
  const places = new Map(data.points.map((point, number) => [point.at.join(), number]));

  // --- what is shown along which axis -----------------------------------------------------------------------------
  const scaled = data.axes.findIndex(each => each.scale !== "category");
  const along = Math.max(scaled, 0);
  const shown = { along, lines: data.axes.length > 1 ? (along === 0 ? 1 : 0) : null, fixed: data.axes.map(() => 0) };
  const pointAt = (x, y) => {
    const at = [...shown.fixed];
    at[shown.along] = x;
    if (shown.lines !== null) at[shown.lines] = y;
    return places.get(at.join());
  };
  const rows = () => shown.lines === null ? [""] : data.axes[shown.lines].texts;
  const named = (number, place) => `${data.axes[number].name} ${data.axes[number].texts[place]}`;
  const label = (x, y) => [named(shown.along, x), ...(shown.lines === null ? [] : [named(shown.lines, y)])].join(", ");
  const heldFixed = () => data.axes.map((_, number) => number).filter(number => number !== shown.along && number !== shown.lines);
  const said = metric => {
    const told = rows().flatMap((_, y) => data.axes[shown.along].texts.map((_, x) => {
      const found = metric.figures[pointAt(x, y)];
      return `${label(x, y)}: ${found ? textOf(metric.unit)(found[0]) : "no figure"}`;
    }));
    const fixed = heldFixed().map(number => named(number, shown.fixed[number]));
    return [...fixed, ...told.slice(0, 60)].join("; ") + (told.length > 60 ? "; and more, in the table of points" : "");
  };
  const told = (metric, number) => {
    const [middle, least, most] = metric.figures[number], text = textOf(metric.unit), marks = data.points[number].marks;
    return `${text(middle)}${most > least ? ` (${text(least)} to ${text(most)})` : ""}${marks ? ` ${marks}` : ""}`;
  };

  // --- heat map ---------------------------------------------------------------------------------------------------
  const luminance = colour => {
    const [red, green, blue] = colour.match(/[\d.]+/g).map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * red + .7152 * green + .0722 * blue;
  };
  function fill(metric, value) {
    const found = metric.figures.filter(Boolean).map(figure => figure[0]);
    let [low, high] = [Math.min(...found), Math.max(...found)];
    if (metric.log && low > 0) [low, high, value] = [low, high, value].map(Math.log);
    return echarts.color.lerp(high > low ? (value - low) / (high - low) : .5, [colours("--heat-low"), colours("--c1"), colours("--heat-high")]);
  }
  function fitting(metric, value, width) {
    const short = value >= 1e6 ? `${digits(value / 1e6, 3)}M` : value >= 1e3 ? `${digits(value / 1e3, 3)}k` : digits(value, 3);
    const whole = textOf(metric.unit)(value);
    const all = metric.unit === "rate" || metric.unit === "count" ? [whole, short] : [whole, whole.replace(" ", "")];
    return all.find(text => text.length * 6.8 < width - 4) || "";
  }
  function cell(metric, params, api) {
    const x = api.value(0), y = api.value(1), number = pointAt(x, y), frame = params.coordSys;
    const [width, height] = api.size([1, 1]).map(Math.abs), [middle, centre] = api.coord([x, y]);
    const found = metric.figures[number], point = data.points[number];
    const shape = { x: middle - width / 2 + 1, y: centre - height / 2 + 1, width: width - 2, height: height - 2 };
    const words = (text, colour) => ({ type: "text", silent: true, style: { text, x: middle, y: centre, align: "center", verticalAlign: "middle", fill: colour, font: "12px system-ui, sans-serif" } });
    if (!found) {
      const empty = { type: "rect", shape, style: { fill: "transparent", stroke: colours("--line"), lineDash: [4, 3], lineWidth: 1 } };
      return { type: "group", children: [empty, words(point.failed ? width > 44 ? "failed" : "✗" : "–", colours("--dim"))] };
    }
    const colour = fill(metric, found[0]);
    const text = fitting(metric, found[0], point.marks ? width - 6 : width);
    return { type: "group", children: [
      { type: "rect", shape: echarts.graphic.clipRectByRect(shape, frame), style: { fill: colour } },
      words(text && point.marks ? `${text} !` : text, luminance(colour) > .22 ? "#0b1420" : "#ffffff"),
    ] };
  }
  function heat(place, metric) {
    // As high as the lines beside it, where it is beside them.
    const least = () => document.querySelector("main").clientWidth > 760 ? 320 : 0;
    const height = () => Math.max(least(), rows().length * (rows().length > 12 ? 24 : 38) + 60);
    const option = () => {
      const looks = base(), [across, down] = [data.axes[shown.along], data.axes[shown.lines]];
      looks.legend = undefined;
      looks.grid = { ...looks.grid, top: 6, right: 8, bottom: 24, left: 24 };
      looks.tooltip = { ...looks.tooltip, trigger: "item", formatter: part => {
        const number = pointAt(part.value[0], part.value[1]);
        const text = metric.figures[number] ? told(metric, number) : data.points[number].failed ? "failed" : "not run";
        return `<b>${escaped(label(part.value[0], part.value[1]))}</b><br>${escaped(metric.name)}: ${escaped(text)}`;
      } };
      const category = (each, gap) => axis({ rest: { type: "category", data: each.texts, name: each.name, nameLocation: "middle", nameGap: gap, nameTextStyle: { color: colours("--dim") }, splitLine: { show: false }, axisLine: { show: false } } });
      looks.xAxis = category(across, 26);
      looks.yAxis = { ...category(down, 18 + Math.min(70, 7 * Math.max(...down.texts.map(text => text.length)))), inverse: true };
      looks.yAxis.axisLabel.width = 74;
      looks.yAxis.axisLabel.overflow = "truncate";
      const cells = down.texts.flatMap((_, y) => across.texts.map((_, x) => [x, y]));
      looks.series = [{ type: "custom", data: cells, encode: { x: 0, y: 1 }, renderItem: (params, api) => cell(metric, params, api) }];
      return looks;
    };
    return [chart(place, `${metric.name}, heat map`, said(metric), option, "", height), option, height, metric];
  }

  // --- lines ------------------------------------------------------------------------------------------------------
  function spread(metric, y, colour) {
    const { places: at, scale } = data.axes[shown.along];
    const ends = at.map((_, x) => metric.figures[pointAt(x, y)] || null);
    const parts = [];
    ends.forEach((end, x) => {
      const next = ends[x + 1];
      if (end && (scale === "category" || !(next || ends[x - 1]))) parts.push([at[x], at[x], end[1], end[2], end[1], end[2]]);
      else if (end && next) parts.push([at[x], at[x + 1], end[1], end[2], next[1], next[2]]);
    });
    return {
      name: "", type: "custom", silent: true, clip: true, data: parts, encode: { x: [0, 1], y: [2, 3, 4, 5] }, z: 1, tooltip: { show: false },
      renderItem: (_, api) => {
        const corner = (x, value) => api.coord([api.value(x), api.value(value)]);
        const points = [corner(0, 2), corner(0, 3), corner(1, 5), corner(1, 4)];
        if (api.value(0) !== api.value(1)) return { type: "polygon", shape: { points }, style: { fill: colours(colour), opacity: .16 } };
        const [[x, low], [, high]] = points, stroke = { stroke: colours(colour), lineWidth: 1.5, opacity: .8 };
        const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: stroke });
        return { type: "group", children: [line(x, low, x, high), line(x - 4, low, x + 4, low), line(x - 4, high, x + 4, high)] };
      },
    };
  }
  function line(metric, y) {
    const { places: at, scale } = data.axes[shown.along], { colour, line: type, symbol } = look(y);
    return {
      name: shown.lines === null ? metric.name : named(shown.lines, y), type: "line", color: colours(colour), symbol, symbolSize: 8, connectNulls: false, emphasis: { disabled: true }, z: 3,
      lineStyle: { width: scale === "category" ? 1 : 1.8, type: scale === "category" ? "dotted" : type, opacity: scale === "category" ? .6 : 1 },
      data: at.map((place, x) => {
        const number = pointAt(x, y), found = metric.figures[number], mark = data.points[number].marks;
        return { value: [place, found ? found[0] : null], number,
          symbolSize: mark ? 11 : 8, itemStyle: mark ? { color: colours("--ground"), borderColor: colours(colour), borderWidth: 2.5 } : undefined };
      }),
    };
  }
  function lines(place, metric, title) {
    const option = () => {
      const looks = base(), { places: at, texts: names, name } = data.axes[shown.along];
      const first = at[0], last = at.at(-1), room = (last - first) * .06 || .5;
      const nearest = value => names[at.reduce((best, each, x) => Math.abs(each - value) < Math.abs(at[best] - value) ? x : best, 0)];
      looks.legend = shown.lines === null ? undefined : { ...looks.legend, itemWidth: 26, icon: undefined };
      looks.grid = { ...looks.grid, top: shown.lines === null ? 10 : 34, bottom: 24 };
      looks.tooltip = { ...looks.tooltip, trigger: "axis", axisPointer: { type: "line", snap: true, label: { show: false } }, formatter: parts => {
        const points = [].concat(parts).filter(part => part.seriesType === "line" && part.value[1] !== null);
        if (!points.length) return "";
        const all = points.map(part => `<tr><td style="text-align:left">${part.marker}${escaped(part.seriesName)}</td><td>&nbsp;${escaped(told(metric, part.data.number))}</td></tr>`);
        return `<b>${escaped(`${name} ${nearest(points[0].value[0])}`)}</b><table>${all.join("")}</table>`;
      } };
      looks.xAxis = axis({ label: { formatter: nearest, customValues: at }, rest: { type: "value", min: first - room, max: last + room, name, nameLocation: "middle", nameGap: 26, nameTextStyle: { color: colours("--dim") }, axisTick: { show: true, customValues: at, lineStyle: { color: colours("--line") } }, splitLine: { show: false } } });
      looks.yAxis = axis({ label: { formatter: textOf(metric.unit) }, rest: { type: metric.log ? "log" : "value", min: metric.log ? undefined : 0 } });
      looks.yAxis.axisLine.onZero = false;  // the first category is at 0
      looks.series = rows().flatMap((_, y) => [line(metric, y), ...(data.repeats > 1 ? [spread(metric, y, look(y).colour)] : [])]);
      return looks;
    };
    return [chart(place, title, said(metric), option, shown.lines === null ? "" : "tall"), option, null, metric];
  }

  // --- begin ------------------------------------------------------------------------------------------------------
  const made = data.metrics.filter(metric => metric.figures.some(Boolean)).flatMap((metric, number) => {
    if (shown.lines === null) return [lines("metric-charts", metric, metric.name)];
    const pair = document.createElement("div");
    pair.className = "pair";
    pair.id = `metric-${number}`;
    document.getElementById("metric-charts").append(pair);
    return [heat(pair.id, metric), lines(pair.id, metric, metric.name)];
  });
  function redraw() {
    for (const [each, option, height, metric] of made) {
      if (height) each.getDom().style.height = `${height()}px`;
      each.getDom().setAttribute("aria-label", `${metric.name}. ${said(metric)}`);
      each.setOption(option(), { notMerge: true });
      each.resize();
    }
  }
  function choice(name, options, chosen, take) {
    const box = document.createElement("label"), select = document.createElement("select");
    select.append(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
    select.addEventListener("change", () => {
      take(Number(select.value));
      controls();
      redraw();
      document.querySelector(`#controls select[data-name="${CSS.escape(select.dataset.name)}"]`)?.focus();
    });
    select.dataset.name = name;
    box.append(`${name} `, select);
    return box;
  }
  function controls() {
    const place = document.getElementById("controls");
    if (shown.lines === null || !made.length) return;
    const all = data.axes.map((each, number) => [number, each.name]);
    place.hidden = false;
    place.replaceChildren(
      choice("Along", all, shown.along, value => { if (value === shown.lines) shown.lines = shown.along; shown.along = value; }),
      choice("a line each", all, shown.lines, value => { if (value === shown.along) shown.along = shown.lines; shown.lines = value; }),
      ...heldFixed().map(number => choice(data.axes[number].name, data.axes[number].texts.map((text, value) => [value, text]), shown.fixed[number], value => { shown.fixed[number] = value; })),
    );
  }
  controls();
};
