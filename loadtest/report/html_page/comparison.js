// Draws the charts of a comparison, with the tools of report.js, which calls this when the data is unpacked.
// Writes no HTML from data but escaped; everything else is text on a canvas.
"use strict";
window.loadtestDraw = (tools, data) => {
  const { chart, curves, base, axis, texts, digits, colours, escaped } = tools;
  // By colour and by form: a reader who sees no colours has line types, symbols and words.
  const LINES = ["solid", "dashed", "dotted", [10, 3, 2, 3], [16, 4], [2, 6]];
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];
  const SAID = {
    "better": { colour: "--better", text: "✓ better" }, "worse": { colour: "--worse", text: "✗ worse" },
    "no-difference": { colour: "--dim", text: "= no difference" }, "inconclusive": { colour: "--open", text: "? inconclusive" },
  };
  const look = variant => ({ colour: `--c${(variant % 7) + 1}`, line: LINES[variant % LINES.length], symbol: SYMBOLS[variant % SYMBOLS.length] });
  const percent = share => `${share < 0 ? "−" : share > 0 ? "+" : ""}${digits(Math.abs(share) * 100, 3)}%`;

  // --- differences ------------------------------------------------------------------------------------------------
  // Logarithmic, so that twice as much and half as much are equally far; what is beyond the ends has an arrow there.
  const FLOOR = -0.95, CEILING = 20;
  const scale = share => Math.log1p(Math.min(Math.max(share, FLOOR), CEILING));
  const NICE = [.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20];
  function reach(set) {
    const ends = set.rows.filter(row => row.interval).flatMap(row => row.interval);
    const wide = Math.max(2 * data.min_effect, .02);
    const low = Math.min(-Math.min(wide, .5), ...ends), high = Math.max(wide, ...ends);
    const room = (scale(high) - scale(low)) * .04;
    return [scale(low) - room, scale(high) + room];
  }
  function ticks([low, high], pixels) {
    const least = (high - low) * 50 / Math.max(pixels, 120);
    const kept = [0];
    for (const [sign, shares] of [[1, NICE], [-1, [.01, .02, .05, .1, .2, .3, .5, .7, .8, .9, .95]]]) {
      let last = 0;
      for (const share of shares) {
        const at = Math.log1p(sign * share);
        if (Math.abs(at - last) >= least && at >= low && at <= high) kept.push(last = at);
      }
    }
    return kept.sort((one, other) => one - other);
  }
  const isWide = () => document.querySelector("main").clientWidth > 760;
  const rowHeight = () => isWide() ? 34 : 54;
  function forest(set, number) {
    const range = reach(set);
    const height = () => set.rows.length * rowHeight() + 34;
    const option = () => {
      const looks = base(), wide = isWide();
      const pixels = document.querySelector("main").clientWidth - 40 - (wide ? 548 : 0);
      looks.legend = undefined;
      looks.grid = wide ? { left: 200, right: 348, top: 6, bottom: 28 } : { left: 6, right: 6, top: 6, bottom: 28 };
      looks.tooltip = { ...looks.tooltip, trigger: "item", formatter: part => {
        const row = set.rows[part.dataIndex];
        return `<b>${escaped(row.metric)}</b><br>${escaped(data.baseline)}: ${escaped(row.medians[0])}<br>${escaped(set.variant)}: ${escaped(row.medians[1])}<br>${escaped(row.text)}<br>${escaped(SAID[row.verdict].text)}`;
      } };
      const at = ticks(range, pixels);
      looks.xAxis = axis({ label: { formatter: value => percent(Math.expm1(value)), customValues: at }, rest: { type: "value", min: range[0], max: range[1], axisTick: { show: false, customValues: at } } });
      looks.yAxis = { type: "value", min: 0, max: set.rows.length, inverse: true, show: false };
      looks.series = [
        { type: "custom", clip: false, data: set.rows.map((row, place) => [row.interval ? scale(row.interval[1]) : 0, place + .5]), renderItem: (params, api) => drawRow(set.rows[params.dataIndex], params, api, wide, range), z: 3 },
        { type: "line", data: [], silent: true,
          markArea: { silent: true, itemStyle: { color: colours("--shade") }, data: [[{ xAxis: scale(-data.min_effect) }, { xAxis: scale(data.min_effect) }]] },
          markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: colours("--dim"), type: "solid", width: 1 }, data: [{ xAxis: 0 }] } },
      ];
      return looks;
    };
    const said = set.rows.map(row => `${row.metric}: ${row.text}, ${SAID[row.verdict].text.slice(2)}`).join("; ");
    chart(`forest-${number}`, `Changes with their 95 % intervals`, `${set.variant} beside ${data.baseline}, a row a metric. ${said}.`, option, "", height);
  }
  function drawRow(row, params, api, wide, range) {
    const frame = params.coordSys, colour = colours(SAID[row.verdict].colour);
    const middle = api.coord([0, api.value(1)])[1], y = wide ? middle : middle + 11, top = middle - 14;
    const words = (text, x, more) => ({ type: "text", silent: true, style: { text, x, y: wide ? middle : top, verticalAlign: "middle", fill: colours("--text"), font: "12px system-ui, sans-serif", ...more } });
    const rule = { type: "line", silent: true, shape: { x1: 0, x2: api.getWidth(), y1: middle + rowHeight() / 2, y2: middle + rowHeight() / 2 }, style: { stroke: colours("--line"), opacity: .6 } };
    const bold = { fill: colour, font: "600 12px system-ui, sans-serif" };
    const ground = { backgroundColor: colours("--ground"), padding: [1, 3, 1, 0] };
    const children = [rule];
    if (wide) {
      const right = frame.x + frame.width + 14;
      children.push(words(row.metric, 0, { width: 186, overflow: "truncate" }), words(row.text, right), words(SAID[row.verdict].text, right + 226, bold));
    } else {
      children.push(words(row.metric, 0, { width: api.getWidth() - 190, overflow: "truncate", ...ground }),
        words(`${row.interval ? percent(row.interval[1]) : ""}  ${SAID[row.verdict].text}`, api.getWidth(), { ...bold, ...ground, align: "right" }));
    }
    return { type: "group", children: [...children, ...interval(row, colour, y, api, range)] };
  }
  function interval(row, colour, y, api, range) {
    if (!row.interval) return [];
    const place = share => api.coord([Math.min(Math.max(scale(share), range[0]), range[1]), 0])[0];
    const [low, change, high] = row.interval.map(place);
    const stroke = { stroke: colour, lineWidth: 2 };
    const line = (x1, y1, x2, y2, style = stroke) => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
    const end = (x, is_beyond, way) => is_beyond
      ? [line(x, y, x - way * 7, y - 5), line(x, y, x - way * 7, y + 5)] : [line(x, y - 5, x, y + 5)];
    const dashed = row.verdict === "inconclusive" ? { ...stroke, lineDash: [4, 3] } : stroke;
    const way = row.interval[1] > CEILING ? 1 : row.interval[1] < FLOOR ? -1 : 0;
    const point = way ? { type: "polygon", shape: { points: [[change - way * 8, y - 6], [change - way * 8, y + 6], [change + way * 3, y]] } } : {
      "better": { type: "circle", shape: { cx: change, cy: y, r: 5.5 } },
      "worse": { type: "polygon", shape: { points: [[change - 6.5, y - 5], [change + 6.5, y - 5], [change, y + 7]] } },
      "no-difference": { type: "rect", shape: { x: change - 4.5, y: y - 4.5, width: 9, height: 9 } },
      "inconclusive": { type: "circle", shape: { cx: change, cy: y, r: 5 } },
    }[row.verdict];
    const is_open = row.verdict === "inconclusive";
    return [line(low, y, high, y, dashed), ...end(low, row.interval[0] < FLOOR, -1), ...end(high, row.interval[2] > CEILING, 1),
      { ...point, style: is_open ? { fill: colours("--ground"), stroke: colour, lineWidth: 2 } : { fill: colour } }];
  }

  // --- values by round --------------------------------------------------------------------------------------------
  // As the tables have it: less than a core in percent of it.
  const textOf = unit => unit === "cores" ? value => value < 1 ? `${digits(value * 100, 3)}%` : texts.cores(value) : texts[unit];
  function byRound(set) {
    const option = () => {
      const looks = base();
      looks.tooltip = { ...looks.tooltip, trigger: "axis", formatter: parts => {
        const rows = [].concat(parts).filter(part => part.value && part.value[1] !== null && part.value[1] !== undefined);
        if (!rows.length) return "";
        const lines = rows.map(part => `<tr><td style="text-align:left">${part.marker}${escaped(part.seriesName)}</td><td>&nbsp;${escaped(textOf(set.unit)(part.value[1]))} ${escaped(part.data.mark)}</td></tr>`);
        return `<b>round ${escaped(data.turns[rows[0].dataIndex])}</b><table>${lines.join("")}</table>`;
      } };
      looks.legend = { ...looks.legend, itemWidth: 26, icon: undefined };
      looks.xAxis = axis({ label: { interval: "auto" }, rest: { type: "category", data: data.turns, boundaryGap: true } });
      looks.yAxis = axis({ label: { formatter: textOf(set.unit) }, rest: { type: "value", scale: true } });
      looks.series = set.series.map(each => {
        const { colour, line, symbol } = look(each.variant);
        return {
          name: data.variants[each.variant], type: "line", color: colours(colour), symbol, symbolSize: 8, emphasis: { disabled: true }, connectNulls: true,
          lineStyle: { width: 1.4, type: line },
          data: each.values.map((value, place) => ({
            value: [place, value], mark: each.marks[place], symbolSize: each.marks[place] ? 12 : 8,
            itemStyle: each.marks[place] ? { color: colours("--ground"), borderColor: colours(colour), borderWidth: 2.5 } : undefined,
          })),
        };
      });
      return looks;
    };
    chart("round-charts", set.title, "Its value in each run, by round there and back, a line a variant; the values are in the table of runs.", option);
  }

  if (data.forest.some(set => set.rows.length)) data.forest.forEach(forest);
  for (const set of data.curves) {
    curves("curve-charts", set.series.map(({ variant, points }) => ({ name: data.variants[variant], points, ...look(variant) })), set.title);
  }
  data.by_round.forEach(byRound);
};
