// Draws the charts of a search for a capacity, with the tools of report.js, which calls this when the data is unpacked.
// Writes no HTML from data but escaped; everything else is text on a canvas.
"use strict";
window.loadtestDraw = (tools, data) => {
  const { chart, base, axis, texts, colours, escaped } = tools;
  const LOOKS = { p50: { colour: "--c2", line: "solid" }, p99: { colour: "--c1", line: "solid" }, max: { colour: "--c3", line: "dashed" } };

  // By form and by colour: a disc was held, a triangle with a red edge was not; both are filled in the line's colour.
  function mark(point, colour) {
    const size = point.is_quick ? 5 : 8;
    return point.is_held
      ? { symbol: "circle", symbolSize: size, itemStyle: { color: colours(colour) } }
      : { symbol: "triangle", symbolRotate: 180, symbolSize: size + 2, itemStyle: { color: colours(colour), borderColor: colours("--worse"), borderWidth: point.is_quick ? 1 : 2 } };
  }
  function tip(point) {
    const lines = Object.keys(LOOKS).filter(name => point.values[name] !== null)
      .map(name => `<tr><td style="text-align:left">${name}</td><td>&nbsp;${escaped(texts.ns(point.values[name]))}</td></tr>`);
    const said = `${point.is_held ? "held" : "not held"}${point.is_quick ? ", a short try" : ""}`;
    return `<b>try ${point.number}: ${escaped(texts.rate(point.asked))}, ${said}</b><br>published ${escaped(texts.rate(point.rate))}`
      + `<table>${lines.join("")}</table>${point.is_held ? "" : `<div style="max-width:300px;white-space:normal">${escaped(point.text)}</div>`}`;
  }
  function band(end) {
    if (!data.interval) return {};
    const [low, high] = data.interval, plain = { color: colours("--text"), fontSize: 11 };
    const name = high === null ? "at least here" : "capacity";
    return {
      markArea: { silent: true, itemStyle: { color: colours("--c2"), opacity: .16 }, label: { ...plain, position: "top" },
        data: [[{ xAxis: low, name: high === null ? "" : name }, { xAxis: high === null ? end : high }]] },
      line: high === null ? [{ xAxis: data.capacity, name, lineStyle: { color: colours("--c2"), type: "solid", width: 1.5 }, label: { ...plain, position: "end" } }] : [],
    };
  }
  function draw(set) {
    const rates = set.points.map(point => point.rate), least = Math.min(...rates);
    const end = Math.max(...rates, data.interval && data.interval[1] || 0, data.capacity || 0) * 1.04;
    const begin = least > end / 3 ? least - (end - least) * .15 : 0;
    const option = () => {
      const looks = base(), shade = band(end);
      looks.grid = { ...looks.grid, top: 40 };
      looks.legend = { ...looks.legend, itemWidth: 24, icon: undefined, data: Object.keys(LOOKS) };
      looks.tooltip = { ...looks.tooltip, trigger: "item", formatter: part => part.data && part.data.point ? tip(part.data.point) : "" };
      looks.xAxis = axis({ label: { formatter: texts.rate }, rest: { type: "value", min: begin, max: end, splitLine: { show: false }, axisLabel: { color: colours("--dim"), hideOverlap: true, showMaxLabel: false, showMinLabel: begin === 0, formatter: texts.rate } } });
      looks.yAxis = axis({ label: { formatter: texts.ns }, rest: { type: "log" } });
      const told = { color: colours("--dim"), fontSize: 11, formatter: line => line.name };
      const lines = [
        ...(shade.line || []),
        ...set.slos.map(slo => ({ yAxis: slo.value, name: slo.text, lineStyle: { color: colours("--worse"), type: "dashed", width: 1.3 }, label: { ...told, position: "insideEndTop", color: colours("--text"), backgroundColor: colours("--ground"), padding: [1, 3] } })),
        ...(set.knee ? [{ xAxis: set.knee[0], name: "knee", lineStyle: { color: colours("--event"), type: "dotted", width: 1.6 }, label: { ...told, position: "insideStartBottom", color: colours("--event") } }] : []),
      ];
      looks.series = Object.entries(LOOKS).flatMap(([name, { colour, line }]) => [
        { name, type: "line", symbol: "none", color: colours(colour), lineStyle: { width: 1.5, type: line, opacity: .75 }, emphasis: { disabled: true }, silent: true, data: set.lines[name] },
        { name, type: "scatter", color: colours(colour), z: 4,
          data: set.points.filter(point => point.values[name] !== null).map(point => ({ value: [point.rate, Math.max(point.values[name], 1)], point, ...mark(point, colour) })) },
      ]);
      looks.series.push({
        name: "", type: "line", data: [], silent: true, markArea: shade.markArea,
        markLine: { silent: true, symbol: "none", label: told, data: lines },
      });
      return looks;
    };
    const held = set.points.filter(point => point.is_held).length;
    const knee = set.knee ? ` The knee is at ${texts.rate(set.knee[0])}.` : "";
    chart("latency-charts", set.title, `Median, 99th percentile and maximum over the published rate, logarithmic: ${set.points.length} tries, ${held} held.${knee} The figures are in the table below.`, option, "tall");
  }
  data.charts.filter(set => set.points.length).forEach(draw);
};
