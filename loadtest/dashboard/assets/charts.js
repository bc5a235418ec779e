// Draws points as they come, with ECharts, which is loaded when the first chart is to be seen. Text goes onto a canvas,
// or escaped into a tooltip.
"use strict";
window.loadtestLiveCharts = (() => {
  const { texts, span } = window.loadtestFigures;
  const home = document.currentScript.src;
  const escaped = text => String(text).replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`);

  let library = null;
  function load() {
    library ||= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`echarts.js${new URL(home).search}`, home).href;
      script.onload = () => resolve(window.echarts);
      script.onerror = () => { library = null; reject(new Error("the charts' library could not be loaded")); };
      document.head.append(script);
    });
    return library;
  }

  // A chart: `set` is {title, unit, log, broad, series: [{name, colour, dash, area, of: point => value}]}.
  class LiveChart {
    constructor(set, colours) {
      this.set = set;
      this.colours = colours;
      this.figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = set.title;
      this.box = document.createElement("div");
      this.box.className = "chart";
      this.box.setAttribute("role", "img");
      this.figure.append(caption, this.box);
      if (set.broad) this.figure.className = "broad";
      this.seen = false;
      this.made = null;
      this.data = null;
      this.watch = new IntersectionObserver(([entry]) => {
        this.seen = entry.isIntersecting;
        if (this.seen) this.draw();
      }, { rootMargin: "200px" });
      this.watch.observe(this.figure);
      this.size = new ResizeObserver(() => this.made && this.made.resize());
      this.size.observe(this.box);
    }

    close() {
      this.watch.disconnect();
      this.size.disconnect();
      if (this.made) this.made.dispose();
      this.made = null;
      this.isClosed = true;
      this.figure.remove();
    }

    show(data) {
      if (this.isClosed) return;
      this.data = data;
      if (this.seen && !document.hidden) this.draw();
    }

    recolour() {
      this.styled = false;
      this.draw();
    }

    async draw() {
      if (!this.data) return;
      const echarts = await load();
      if (this.isClosed || !this.figure.isConnected) return;
      if (!this.made) this.made = echarts.init(this.box, null, { renderer: "canvas" });
      this.label();
      if (!this.styled) {
        this.made.setOption(this.looks(), { notMerge: true });
        this.styled = true;
      }
      this.made.setOption(this.changing());
    }

    values(each) {
      return this.data.points.map(point => {
        const value = each.of(point);
        return [point.t_s, value === undefined || value === null ? null : this.set.log ? Math.max(value, 1) : value];
      });
    }

    // What a reader who sees no chart is told: the newest value of each line.
    label() {
      const last = this.data.points.at(-1);
      const told = last ? this.set.series.map(each => [each.name, each.of(last)]).filter(([, value]) => value !== undefined && value !== null)
        .map(([name, value]) => `${name} ${texts[this.set.unit](value)}`) : [];
      this.box.setAttribute("aria-label", `${this.set.title}. ${told.length ? `At ${span(last.t_s)}: ${told.join(", ")}` : "No values yet"}.`);
    }

    changing() {
      const { phases, marks, end } = this.data;
      const areas = phases.map(([name, from], place) => [name, from, place + 1 < phases.length ? phases[place + 1][1] : end])
        .filter(([name, from, to]) => name !== "measured" && name !== "done" && to > from)
        .map(([, from, to]) => [{ xAxis: from }, { xAxis: to }]);
      return {
        xAxis: { max: Math.max(end, 10) },
        series: [
          ...this.set.series.map(each => ({ data: this.values(each) })),
          { markArea: { data: areas }, markLine: { data: marks.map(([at, name, planned]) => ({ xAxis: at, name, lineStyle: { type: planned ? "dashed" : "dotted" } })) } },
        ],
      };
    }

    looks() {
      const colour = this.colours, unit = this.set.unit;
      const axis = (more, label) => ({
        axisLine: { lineStyle: { color: colour("--line") } }, axisTick: { show: false }, axisLabel: { color: colour("--dim"), hideOverlap: true, ...label },
        splitLine: { lineStyle: { color: colour("--line"), opacity: .6 } }, minorSplitLine: { show: false }, ...more,
      });
      return {
        animation: false, aria: { enabled: false }, textStyle: { color: colour("--text"), fontFamily: "system-ui, sans-serif" },
        color: this.set.series.map(each => colour(each.colour)),
        grid: { left: 8, right: 20, top: 30, bottom: 6, containLabel: true },
        legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 12, icon: "roundRect", type: "scroll", textStyle: { color: colour("--dim") },
                  pageTextStyle: { color: colour("--dim") }, pageIconColor: colour("--dim"), data: this.set.series.map(each => each.name) },
        tooltip: { trigger: "axis", confine: true, transitionDuration: 0, backgroundColor: colour("--raised"), borderColor: colour("--line"),
                   textStyle: { color: colour("--text"), fontSize: 12 }, formatter: parts => this.tip(parts) },
        xAxis: axis({ type: "value", min: 0, splitLine: { show: false } }, { formatter: span, showMaxLabel: false }),
        yAxis: axis({ type: this.set.log ? "log" : "value", min: this.set.log ? undefined : 0, minInterval: unit === "count" || unit === "messages" ? 1 : 0 }, { formatter: texts[unit] }),
        series: [
          ...this.set.series.map(each => ({
            name: each.name, type: "line", symbol: "none", connectNulls: false, sampling: "lttb", emphasis: { disabled: true }, silent: true,
            lineStyle: { width: each.width || 1.7, type: each.dash ? "dashed" : "solid" }, areaStyle: each.area ? { opacity: each.area } : undefined, data: [],
          })),
          { name: "", type: "line", data: [], silent: true,
            markArea: { silent: true, itemStyle: { color: colour("--shade") }, data: [] },
            markLine: { silent: true, symbol: "none", animation: false, lineStyle: { color: colour("--event"), width: 1.2 },
                        label: { show: this.set.broad === true, color: colour("--event"), fontSize: 10, position: "insideEndBottom", formatter: line => line.name }, data: [] } },
        ],
      };
    }

    tip(parts) {
      const rows = parts.filter(part => part.seriesName && part.value && part.value[1] !== null);
      if (!rows.length) return "";
      const lines = rows.map(part => `<tr><td style="text-align:left">${part.marker}${escaped(part.seriesName)}</td><td>&nbsp;${escaped(texts[this.set.unit](part.value[1]))}</td></tr>`);
      return `<b>${escaped(span(rows[0].value[0]))}</b><table>${lines.join("")}</table>`;
    }
  }
  return { LiveChart };
})();
