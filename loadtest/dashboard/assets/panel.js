// The AMQP panel: <loadtest-panel>, a tab of Locust's page and a page of its own. Looks once a second, changes only what
// has changed, and writes no HTML from data: every text is a text node.
"use strict";
(() => {
  const { digits, texts, span } = window.loadtestFigures;
  const { LiveChart } = window.loadtestLiveCharts;
  const HERE = document.currentScript.src;
  const address = path => new URL(`../${path}`, HERE).href;
  const LOOK_MS = 1000, HIDDEN_MS = 5000, TIMEOUT_MS = 8000, MOST_WAIT_MS = 15000, RESULTS_MS = 60000;
  const NOTHING = "–";
  const PHASES = { "": "preparing", connecting: "connecting", warm_up: "warm-up", measured: "measured part", drain: "drain", done: "ended" };
  const KINDS = { comparison: "Comparison", capacity: "Capacity", sweep: "Sweep" };
  const STATES = { ok: "ok", failing: "failing", open: "open" };
  const MOST_CHARTS = 8, MOST_COMPARED = 7, APART_MS = 60;

  // --- making elements ------------------------------------------------------------------------------------------
  function make(tag, about = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(about)) {
      if (name === "text") made.textContent = value;
      else if (name === "class") made.className = value;
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.filter(child => child !== null));
    return made;
  }
  function write(node, text) { if (node.textContent !== text) node.textContent = text; }
  function place(node, isShown) { if (node.hidden === isShown) node.hidden = !isShown; }
  // Rows by key: those that stay are changed, so that a screen reader and a selection keep their place.
  function fill(body, keys, create, change) {
    const known = new Map([...body.children].map(row => [row.dataset.key, row]));
    keys.forEach((key, number) => {
      let row = known.get(key);
      if (!row) {
        row = create(key);
        row.dataset.key = key;
      }
      known.delete(key);
      change(row, key);
      if (body.children[number] !== row) body.insertBefore(row, body.children[number] || null);
    });
    for (const row of known.values()) row.remove();
  }
  function table(titles, label, className = "") {
    const body = make("tbody");
    const head = make("tr", {}, ...titles.map(([title, kind]) => make("th", { scope: "col", class: kind || null, text: title })));
    const made = make("div", { class: "wide" }, make("table", { class: className || null }, make("caption", { class: "unseen", text: label }), make("thead", {}, head), body));
    return [made, body];
  }
  const cells = (row, values) => values.forEach((value, number) => write(row.children[number], value));
  const section = (title, id, ...children) => make("section", { "aria-labelledby": id }, make("h3", { id, text: title }), ...children);
  const words = name => name.replaceAll("_", " ");
  const known = value => value !== null && value !== undefined;
  const told = (value, text) => known(value) ? text(value) : NOTHING;
  const figure = { cores: value => value < 1 ? `${digits(value * 100, 3)}%` : texts.cores(value), s: value => value < 120 ? `${digits(value, 3)} s` : span(value) };

  // --- what a point says ----------------------------------------------------------------------------------------
  // The timeline leaves out a rate that is 0, and a group that does nothing in a second.
  const rateOf = name => point => Object.values(point.groups).reduce((sum, group) => sum + (group.rates[`${name}_per_s`] || 0), 0);
  const hasRate = (points, name) => points.some(point => Object.values(point.groups).some(group => known(group.rates[`${name}_per_s`])));
  const gaugeOf = name => point => point.gauges[name];
  const latencyOf = (group, latency, statistic) => point => point.groups[group]?.latency[latency]?.[statistic];
  const worst = (latency, statistic) => point => {
    const values = Object.values(point.groups).map(group => group.latency[latency]?.[statistic]).filter(known);
    return values.length ? Math.max(...values) : null;
  };
  const RATES = [["offered", "--c0", true], ["published", "--c1"], ["confirmed", "--c2"], ["delivered", "--c3"], ["got", "--c4"]];

  class Panel extends HTMLElement {
    connectedCallback() {
      if (!this.shadowRoot) this.build();
      this.points = [];
      this.since = "";
      this.run = null;
      this.failures = 0;
      this.isOn = true;
      this.themed = "";
      this.theme();
      this.onVisible = () => { if (!document.hidden) this.hurry(); };
      document.addEventListener("visibilitychange", this.onVisible);
      this.look();
      this.lookForResults();
    }

    disconnectedCallback() {
      this.isOn = false;
      clearTimeout(this.timer);
      clearTimeout(this.resultsTimer);
      document.removeEventListener("visibilitychange", this.onVisible);
      this.dropCharts();
    }

    // Locust's page has a switch for dark and light, whose word is in the local storage; else the system's counts.
    theme() {
      const chosen = localStorage.getItem("theme");
      const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      const name = isDark ? "dark" : "light";
      if (name === this.themed) return;
      this.themed = name;
      this.dataset.theme = name;
      if (!document.getElementById("root")) document.documentElement.dataset.theme = name;
      for (const chart of this.charts || []) chart.recolour();
    }

    build() {
      const root = this.attachShadow({ mode: "open" });
      const look = new CSSStyleSheet();
      this.style.visibility = "hidden";
      this.charts = [];
      this.notice = make("p", { class: "notice", role: "status", hidden: true });
      this.heading = make("h2");
      this.about = make("p", { class: "dim" });
      this.facts = make("p", { class: "facts dim" });
      this.stand = { phase: make("strong"), time: make("span"), left: make("span", { class: "left" }) };
      this.progress = make("div");
      this.bar = make("div", { class: "bar", role: "progressbar", "aria-label": "Progress of the run", "aria-valuemin": 0, "aria-valuemax": 100 }, this.progress);
      this.said = make("p", { class: "unseen", role: "status" });
      this.verdict = make("div", { class: "verdict", role: "status", hidden: true });
      this.findings = make("ul", { class: "findings", "aria-label": "What to know before believing a figure" });
      this.tiles = make("dl", { class: "tiles", "aria-label": "Figures of the last second" });
      this.tilesHint = make("p", { class: "hint" });
      this.chartBox = make("div", { class: "charts" });
      [this.latencyTable, this.latencyRows] = table([["Group", "text"], ["Latency", "text"], ["p50"], ["p99"], ["max"], ["values"]], "Latencies so far", "latencies");
      this.latencyHint = make("p", { class: "hint" });
      [this.checkTable, this.checkRows] = table([["Threshold", "text"], ["so far"], ["limit"], ["state"], ["", "text"]], "Thresholds so far", "checks");
      [this.ledgerTable, this.ledgerRows] = table([["Messages", "text"], ["count"]], "Ledger");
      this.ledgerHint = make("p", { class: "hint" });
      this.events = make("ol");
      this.eventsHint = make("p", { class: "hint" });
      [this.workerTable, this.workerRows] = table([["Process", "text"], ["CPU"], ["memory"], ["users"], ["in flight"], ["loop lag"], ["blocked"]], "Processes of the generator");
      this.live = make("div", { hidden: true },
        this.heading, this.about, this.facts,
        make("p", { class: "stand" }, this.stand.phase, this.stand.time, this.stand.left), this.bar, this.said, this.verdict,
        this.findings, this.tiles, this.tilesHint,
        section("Over time", "over", this.chartBox),
        this.checkSection = section("Thresholds", "checks", this.checkTable),
        section("Latency so far", "latency", this.latencyTable, this.latencyHint),
        make("div", { class: "pair" },
          section("Ledger", "ledger", this.ledgerTable, this.ledgerHint),
          section("Faults and events", "events", this.events, this.eventsHint)),
        this.workerSection = section("Processes", "workers", this.workerTable));
      this.idle = make("p", { hidden: true }, "No run in this process yet. ", make("a", { href: address("./.."), text: "Start one on Locust's page" }), ".");
      root.append(this.notice, this.idle, this.live, this.buildResults());
      root.adoptedStyleSheets = [look];
      fetch(new URL(`panel.css${new URL(HERE).search}`, HERE)).then(answer => answer.text()).then(text => look.replaceSync(text)).finally(() => { this.style.visibility = ""; });
    }

    // --- looking ------------------------------------------------------------------------------------------------
    hurry() {
      clearTimeout(this.timer);
      this.look();
    }

    async look() {
      if (!this.isOn || this.isLooking) return;
      this.isLooking = true;
      let wait = document.hidden ? HIDDEN_MS : LOOK_MS;
      const began = performance.now();
      let news = null;
      try {
        const answer = await fetch(`${address("live")}?since=${encodeURIComponent(this.since)}`, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
        if (answer.redirected || !(answer.headers.get("content-type") || "").startsWith("application/json")) {
          if (answer.status >= 500) throw new Error(`the page answers ${answer.status}`);
          this.tell("You are logged out.", address("./../login"), "Log in");
          wait = MOST_WAIT_MS;
        } else {
          news = await answer.json();
          this.failures = 0;
          this.tell("");
        }
      } catch (error) {
        this.failures += 1;
        wait = Math.min(MOST_WAIT_MS, LOOK_MS * 2 ** Math.min(this.failures - 1, 4));
        if (this.failures > 1) this.tell(`Connection lost; trying again every ${Math.round(wait / 1000)} s. What is shown is as it was.`);
      } finally {
        this.isLooking = false;
      }
      if (this.isOn && news) this.show(news);
      if (this.isOn) this.timer = setTimeout(() => this.look(), Math.max(50, wait - (performance.now() - began)));
    }

    show(news) {
      try {
        this.take(news);
      } catch (error) {
        this.since = "";
        this.tell(`This page cannot show what it was told: ${error}`);
        console.error(error);
      }
    }

    tell(text, href = "", link = "") {
      if (this.notice.dataset.text !== text) {
        this.notice.dataset.text = text;
        this.notice.replaceChildren(text);
        if (href) this.notice.append(" ", make("a", { href, text: link }));
      }
      place(this.notice, text !== "");
    }

    take(news) {
      this.since = news.since;
      if (news.is_full) {
        // Another run, another process, or coarser points: there may be other results, too.
        if (this.points.length) this.lookForResults();
        this.points = news.points;
      } else {
        for (const point of news.points) {
          const last = this.points.at(-1);
          if (!last || point.t_s > last.t_s) this.points.push(point);
          else {
            const at = this.points.findLastIndex(each => each.t_s <= point.t_s);
            if (at >= 0 && this.points[at].t_s === point.t_s) this.points[at] = point;
            else this.points.splice(at + 1, 0, point);
          }
        }
      }
      this.theme();
      const isNew = news.run && (!this.run || this.run.folder !== news.run.folder);
      if (isNew) this.dropCharts();
      this.run = news.run;
      place(this.idle, !news.run);
      place(this.live, Boolean(news.run));
      if (!news.run) return;
      this.showRun(news);
      if (!news.phase) return;
      this.showStand(news);
      this.showVerdict(news);
      this.showTiles(news);
      this.showCharts(news);
      this.showLatencies(news);
      this.showChecks(news);
      this.showLedger(news);
      this.showEvents(news);
      this.showWorkers(news);
    }

    // --- showing ------------------------------------------------------------------------------------------------
    showRun({ run }) {
      write(this.heading, run.scenario || "A run is being prepared");
      write(this.about, run.description || "");
      const users = Object.entries(run.users).map(([group, count]) => `${group} ${count}`).join(", ");
      const facts = [run.broker, users && `users: ${users}`, run.started_at && `started ${new Date(run.started_at).toLocaleString()}`, ...run.overrides.map(text => `set ${text}`)].filter(Boolean);
      fill(this.facts, facts, () => make("span"), (node, text) => write(node, text));
    }

    showStand({ phase, state, verdict, run }) {
      const isOver = Boolean(verdict) || state === "stopped";
      const name = isOver ? "ended" : PHASES[phase.name] || phase.name;
      const planned = known(phase.planned_s) ? ` of ${span(phase.planned_s)}` : "";
      const count = known(phase.messages_planned) ? `${digits(phase.messages_done, 15)} of ${digits(phase.messages_planned, 15)} messages published` : "";
      write(this.stand.phase, name);
      write(this.stand.time, isOver ? `after ${span(Math.round(phase.elapsed_s))}` : `${span(Math.round(phase.elapsed_s))}${planned}`);
      write(this.stand.left, [!isOver && known(phase.left_s) ? `${span(Math.round(phase.left_s))} left${phase.name === "drain" ? " at most" : ""}` : "", count].filter(Boolean).join(" · "));
      const share = isOver ? 1 : known(phase.planned_s) ? phase.elapsed_s / phase.planned_s : known(phase.messages_planned) ? phase.messages_done / phase.messages_planned : 0;
      const percent = Math.round(Math.min(1, Math.max(0, share)) * 100);
      this.progress.style.width = `${percent}%`;
      this.bar.setAttribute("aria-valuenow", percent);
      if (this.lastName !== `${run.folder} ${name}`) {
        this.lastName = `${run.folder} ${name}`;
        write(this.said, `${run.scenario}: ${name}`);
      }
    }

    showVerdict({ verdict, run, state }) {
      place(this.verdict, Boolean(verdict) || (state === "stopped" && !verdict));
      const key = JSON.stringify([verdict, run.files, state === "stopped"]);
      if (this.verdict.dataset.key === key) return;
      this.verdict.dataset.key = key;
      this.findings.replaceChildren();
      if (!verdict) {
        this.verdict.className = "verdict";
        this.verdict.replaceChildren("The run has ended; its results are being written, or could not be: see what the process printed.");
        return;
      }
      const file = name => address(`results/${encodeURIComponent(run.folder)}/${encodeURIComponent(name)}`);
      const has = new Set(run.files);
      this.verdict.className = `verdict ${verdict.outcome}`;
      const downloads = run.files.filter(name => name !== "report.html" && !/\.h(log|grm)$/.test(name));
      this.verdict.replaceChildren(
        make("strong", { text: `${verdict.word} ` }), `exit code ${verdict.exit_code}. ${verdict.reason} `,
        ...(has.has("report.html") ? [make("a", { href: file("report.html"), target: "_blank", text: "Open the report" })] : []),
        make("div", { class: "downloads" }, ...downloads.map(name => make("a", { href: file(name), text: name }))));
      this.findings.replaceChildren(...verdict.findings.map(finding => make("li", {}, make("b", { text: finding.code }), ` ${finding.text}`)));
      this.lookForResults();
    }

    showTiles(news) {
      const isOver = Boolean(news.verdict);
      const points = isOver ? this.points.filter(point => point.phase === "measured") : this.points.slice(-1);
      const mean = of => {
        const values = points.map(of).filter(known);
        return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
      };
      const kinds = Object.values(news.run.kinds);
      const gauges = news.gauges, own = news.generator;
      const shown = [];
      const add = (name, text, isWrong = false) => shown.push([name, text, isWrong]);
      for (const [name] of RATES) {
        if (hasRate(this.points, name) || (name === "published" && kinds.includes("publisher"))) add(name, told(mean(rateOf(name)), texts.rate));
      }
      const lateness = worst("lateness", "p99_ns"), last = points.at(-1);
      if (!isOver) {
        add("in flight", told(own.outstanding, texts.messages));
        if (last && known(lateness(last))) add("lateness p99", texts.ns(lateness(last)));
        if (known(gauges["queue.depth"])) add("ready in queues", texts.messages(gauges["queue.depth"]));
        if (known(gauges["queue.unacked"])) add("unacked", texts.messages(gauges["queue.unacked"]));
        if (known(gauges["broker.memory_bytes"])) add("broker memory", texts.bytes(gauges["broker.memory_bytes"]));
        const alarms = (gauges["broker.memory_alarm"] || 0) + (gauges["broker.disk_alarm"] || 0);
        if (known(gauges["broker.memory_alarm"]) || known(gauges["broker.disk_alarm"])) add("alarms", alarms ? `${alarms} ${alarms === 1 ? "node" : "nodes"}` : "none", alarms > 0);
        if (known(gauges["broker.flow"]) && gauges["broker.flow"]) add("in flow control", texts.count(gauges["broker.flow"]));
        if (known(gauges["broker.cpu"])) add("broker CPU", figure.cores(gauges["broker.cpu"]));
        add("generator CPU", told(own.cpu, figure.cores), own.cpu > .9);
      }
      if (known(own.blocked_s)) add("blocked time", figure.s(own.blocked_s), own.blocked_s > 0);
      fill(this.tiles, shown.map(([name]) => name), () => make("div", {}, make("dt"), make("dd")), (tile, key) => {
        const [name, text, isWrong] = shown.find(([each]) => each === key);
        write(tile.children[0], name);
        write(tile.children[1], text);
        tile.className = isWrong ? "wrong" : "";
      });
      write(this.tilesHint, isOver ? "Means of the measured part, second by second; exact figures are in the report." : "");
    }

    chartSets(news) {
      const has = of => this.points.some(point => known(of(point)));
      const line = (name, colour, of, more = {}) => ({ name, colour, of, ...more });
      const sets = [{ title: "Messages a second", unit: "rate", broad: true, series: RATES.filter(([name]) => hasRate(this.points, name)).map(([name, colour, dash]) => line(name, colour, rateOf(name), { dash })) }];
      for (const latency of ["confirm", "end_to_end", "get"]) for (const group of Object.keys(news.run.users)) {
        if (has(latencyOf(group, latency, "max_ns"))) {
          sets.push({ title: `${group}: ${words(latency)}`, unit: "ns", log: true, series: [
            line("p50", "--c2", latencyOf(group, latency, "p50_ns")), line("p99", "--c1", latencyOf(group, latency, "p99_ns"), { area: .1 }),
            line("max", "--c3", latencyOf(group, latency, "max_ns"), { dash: true, width: 1 })] });
        }
      }
      const latencies = sets.length - 1;
      if (latencies > MOST_CHARTS) sets.splice(1 + MOST_CHARTS);
      const open = Object.values(news.latencies).some(each => each.latency === "lateness");
      if (open && has(worst("lateness", "p99_ns"))) {
        sets.push({ title: "Lateness: the generator's own delay", unit: "ns", log: true, series: [line("p99", "--c1", worst("lateness", "p99_ns")), line("max", "--c3", worst("lateness", "max_ns"), { dash: true, width: 1 })] });
      }
      for (const [title, unit, series] of [
        ["In flight and in queues", "messages", [line("in flight", "--c1", gaugeOf("outstanding")), line("ready", "--c3", gaugeOf("queue.depth")), line("unacked", "--c4", gaugeOf("queue.unacked"))]],
        ["Processor time", "cores", [line("broker", "--c3", gaugeOf("broker.cpu")), line("generator", "--c1", gaugeOf("cpu")), line("machine", "--c0", gaugeOf("machine.cpu"), { dash: true })]],
        ["Broker memory", "bytes", [line("memory", "--c1", gaugeOf("broker.memory_bytes")), line("limit", "--c0", gaugeOf("broker.memory_limit_bytes"), { dash: true })]],
      ]) {
        const shown = series.filter(each => has(each.of));
        if (shown.length) sets.push({ title, unit, series: shown });
      }
      const trouble = [["nodes in memory alarm", "--c3", "broker.memory_alarm"], ["nodes in disk alarm", "--c4", "broker.disk_alarm"], ["connections in flow", "--c5", "broker.flow"], ["connections blocked", "--c6", "broker.blocked"]]
        .filter(([, , gauge]) => this.points.some(point => point.gauges[gauge] > 0)).map(([name, colour, gauge]) => line(name, colour, gaugeOf(gauge)));
      if (trouble.length) sets.push({ title: "Alarms, flow control, blocked connections", unit: "count", series: trouble });
      return sets;
    }

    showCharts(news) {
      const sets = this.chartSets(news);
      const shape = JSON.stringify(sets.map(set => [set.title, set.series.map(each => each.name)]));
      if (this.shape !== shape) {
        this.dropCharts();
        this.shape = shape;
        const colours = name => getComputedStyle(this).getPropertyValue(name).trim();
        this.charts = sets.map(set => new LiveChart(set, colours));
        this.chartBox.append(...this.charts.map(chart => chart.figure));
      }
      const end = this.points.length ? this.points.at(-1).t_s + news.per_point_s : 0;
      const isPlanned = fault => !news.events.some(event => Math.abs(event.t_s - fault.t_s) < 1.5);
      const marks = [...news.events.slice(-20).map(event => [event.t_s, event.code, false]), ...news.faults.filter(fault => fault.t_s <= end && isPlanned(fault)).map(fault => [fault.t_s, fault.text, true])].sort((one, other) => one[0] - other[0]);
      // Names that would lie over each other are left out; all of them are in the list below.
      let named = -Infinity;
      for (const mark of marks) {
        if (mark[0] - named < end / 20) mark[1] = "";
        else named = mark[0];
      }
      // One after the other, so that none of them holds up a click on the page for long.
      this.charts.forEach((chart, number) => setTimeout(() => chart.show({ points: this.points, phases: news.phases, marks, end }), number * APART_MS));
    }

    dropCharts() {
      for (const chart of this.charts || []) chart.close();
      this.charts = [];
      this.shape = "";
    }

    showLatencies(news) {
      const shown = news.latencies.filter(each => !each.latency.endsWith("_uncorrected"));
      const key = each => `${each.group} ${each.latency}`;
      fill(this.latencyRows, shown.map(key), () => make("tr", {}, make("th", { scope: "row" }), make("td", { class: "text" }), make("td"), make("td"), make("td"), make("td")), (row, name) => {
        const each = shown.find(one => key(one) === name);
        cells(row, [each.group, words(each.latency), told(each.p50_ns, texts.ns), told(each.p99_ns, texts.ns), told(each.max_ns, texts.ns), digits(each.count, 15)]);
      });
      const parts = new Set(shown.map(each => each.part));
      write(this.latencyHint, !shown.length ? "No values yet." : `${parts.has("warm_up") ? "Of the warm-up, which does not count." : "Of the measured part."}${shown.some(each => each.model === "closed") ? " Closed model: from the time of sending." : " From the intended time."}`);
    }

    showChecks({ checks }) {
      place(this.checkSection, checks.length > 0);
      fill(this.checkRows, checks.map((each, number) => String(number)), () => make("tr", {}, make("th", { scope: "row" }, make("code")), make("td"), make("td"), make("td"), make("td", { class: "text dim" })), (row, number) => {
        const each = checks[number];
        write(row.children[0].firstChild, each.check);
        [each.value || NOTHING, each.limit, STATES[each.state], each.note || ""].forEach((text, at) => write(row.children[at + 1], text));
        row.className = each.state === "failing" ? "wrong" : "";
        row.children[3].className = each.state;
      });
    }

    showLedger({ ledger }) {
      const rows = new Map(ledger.rows.map(row => [row.name, row]));
      fill(this.ledgerRows, [...rows.keys()], () => make("tr", {}, make("th", { scope: "row" }), make("td")), (row, name) => {
        const { count, is_wrong: isWrong } = rows.get(name);
        cells(row, [`${words(name)}${isWrong ? " – wrong" : ""}`, told(count, value => digits(value, 15))]);
        row.className = isWrong ? "wrong" : "";
      });
      write(this.ledgerHint, ledger.imbalances.length ? `The books do not balance: ${ledger.imbalances.join("; ")}` : ledger.is_closed ? "The books balance." : "What is lost shows when the run has drained and its books are closed.");
      this.ledgerHint.className = ledger.imbalances.length ? "failing" : "hint";
    }

    showEvents(news) {
      const now = news.phase.elapsed_s, begin = (news.phases.find(([name]) => name === "warm_up" || name === "measured") || ["", Infinity])[1];
      const ahead = news.faults.filter(fault => fault.t_s > begin + now && !news.verdict).map(fault => ({ ...fault, code: "planned" }));
      const all = [...news.events, ...ahead].sort((one, other) => one.t_s - other.t_s);
      fill(this.events, all.map(event => `${event.t_s} ${event.code} ${event.text}`), key => make("li", {}, make("time"), " ", make("b"), " ", make("span")), (row, key) => {
        const event = all.find(each => `${each.t_s} ${each.code} ${each.text}` === key);
        write(row.querySelector("time"), span(event.t_s));
        write(row.querySelector("b"), event.code);
        write(row.querySelector("span"), event.text);
      });
      write(this.eventsHint, all.length ? (news.more_events ? `${digits(news.more_events, 15)} earlier ones are in the journal.` : "") : "Nothing has happened to this run.");
    }

    showWorkers({ workers }) {
      place(this.workerSection, workers.length > 0);
      const rows = new Map(workers.map(worker => [worker.name, worker]));
      fill(this.workerRows, [...rows.keys()], () => make("tr", {}, make("th", { scope: "row" }), ...Array.from({ length: 6 }, () => make("td"))), (row, name) => {
        const each = rows.get(name);
        cells(row, [name, figure.cores(each.cpu), texts.bytes(each.memory_bytes), digits(each.users, 15), digits(each.outstanding, 15), texts.ns(each.loop_lag_max_ns), figure.s(each.blocked_s)]);
      });
    }

    // --- past results -------------------------------------------------------------------------------------------
    buildResults() {
      const [made, body] = table([["Compare", "text"], ["Scenario", "text"], ["Outcome", "text"], ["Started", "text"], ["Measured"]], "Past results, the newest first", "results");
      this.resultRows = body;
      this.compare = make("button", { type: "submit", disabled: true, text: "Compare" });
      this.compareHint = make("span", { class: "hint", id: "compare-hint", text: "Tick two or more runs." });
      this.compare.setAttribute("aria-describedby", "compare-hint");
      this.resultsHint = make("p", { class: "hint" });
      const form = make("form", { action: address("compare"), method: "get", target: "_blank" }, make("div", { class: "actions" }, this.compare, this.compareHint), made);
      form.addEventListener("change", () => this.ticked());
      return section("Results", "results", form, this.resultsHint);
    }

    ticked() {
      const count = this.resultRows.querySelectorAll("input:checked").length;
      this.compare.disabled = count < 2 || count > MOST_COMPARED;
      write(this.compareHint, count > MOST_COMPARED ? `At most ${MOST_COMPARED} at a time.` : count < 2 ? "Tick two or more runs." : "Opens them side by side in a new window.");
    }

    async lookForResults() {
      clearTimeout(this.resultsTimer);
      if (!this.isOn) return;
      try {
        const answer = await fetch(address("results"), { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
        if (answer.ok && !answer.redirected) this.showResults(await answer.json());
      } catch { /* `look` tells of it */ }
      if (this.isOn) this.resultsTimer = setTimeout(() => this.lookForResults(), RESULTS_MS);
    }

    showResults({ lines, more, words: outcomes }) {
      this.outcomes = outcomes;
      const rows = new Map(lines.map(line => [line.folder, line]));
      fill(this.resultRows, [...rows.keys()], name => {
        const line = rows.get(name);
        const tick = line.kind === "run" ? make("input", { type: "checkbox", name: "run", value: name, "aria-label": `Compare ${line.scenario}, ${name}` }) : null;
        return make("tr", {}, make("td", { class: "text" }, tick), make("th", { scope: "row" }), ...Array.from({ length: 2 }, () => make("td", { class: "text" })), make("td"));
      }, (row, name) => {
        const line = rows.get(name);
        const key = JSON.stringify(line);
        if (row.dataset.told === key) return;
        row.dataset.told = key;
        const title = line.scenario || name;
        row.children[1].replaceChildren(line.page ? make("a", { href: address(`results/${encodeURIComponent(name)}/${line.page}`), target: "_blank", text: title }) : title);
        const outcome = line.kind === "run" ? outcomes[line.outcome] || line.outcome : KINDS[line.kind] || (line.kind === "journal" ? "No result: it was cut off" : "Cannot be read");
        row.children[2].replaceChildren(make("span", { class: line.outcome === "pass" ? "ok" : line.kind === "run" && ["fail", "error"].includes(line.outcome) ? "failing" : "open", title: line.reason || (line.kind === "journal" ? `loadtest report ${name} makes one` : null), text: outcome }));
        write(row.children[3], line.started_at ? new Date(line.started_at).toLocaleString() : NOTHING);
        write(row.children[4], told(line.measured_s, figure.s));
      });
      write(this.resultsHint, lines.length ? (more ? `${digits(more, 15)} older ones are in the results folder.` : "") : "No results yet.");
      this.ticked();
    }
  }
  if (!customElements.get("loadtest-panel")) customElements.define("loadtest-panel", Panel);
})();
