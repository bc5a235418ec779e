// Locust's start form, with the fields of a run of ours in the place of Locust's own, which stay where they are, unseen:
// the form posts every named field that is in it, of two of a name the later.
"use strict";
(() => {
  const HERE = document.currentScript.src;
  if (!document.getElementById("root") && document.readyState !== "loading") return;
  const STYLE = `
    .lt-hidden { display: none !important; }
    .lt-start { display: grid; gap: 14px 18px; grid-template-columns: 1fr 1fr 1fr; }
    .lt-start > * { grid-column: 1 / -1; min-width: 0; } .lt-start > .lt-third { grid-column: auto; }
    .lt-start label { display: block; font-weight: 600; margin-bottom: 4px; }
    .lt-start input, .lt-start select, .lt-start textarea { width: 100%; box-sizing: border-box; font: inherit; color: inherit; background: transparent; border: 1px solid rgba(127, 137, 150, .8); border-radius: 4px; padding: 10px 12px; }
    .lt-start option { color: #1b2330; background: #fff; } .lt-start textarea { min-height: 5.2em; resize: vertical; font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .92em; }
    .lt-start :focus-visible { outline: 2px solid #15803d; outline-offset: 1px; } .lt-start ::placeholder { color: inherit; opacity: .62; }
    .lt-start p:empty { display: none; } .lt-start p { margin: 5px 0 0; opacity: .8; font-size: .92em; } .lt-start a { color: inherit; }
    @media (max-width: 560px) { .lt-start { grid-template-columns: 1fr; } }`;
  const kept = {};      // what was filled in last, for the next start in this window
  let about = null;     // what the server says of scenarios and defaults

  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") made.textContent = value; else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }
  let count = 0;
  function field(label, hint, input, kind = "") {
    const id = `lt-field-${count += 1}`, note = make("p", { id: `${id}-note`, text: hint });
    input.id = id;
    input.setAttribute("aria-describedby", note.id);
    return make("div", { class: kind }, make("label", { for: id, text: label }), input, note);
  }

  function section() {
    const choice = make("select", { name: "scenario" });
    const names = about.scenarios.map(each => each.name);
    if (!names.includes(about.scenario)) choice.append(make("option", { value: about.scenario, text: about.scenario }));
    for (const { name, question } of about.scenarios) choice.append(make("option", { value: name, text: question ? `${name}: ${question}` : name }));
    choice.value = kept.scenario ?? about.scenario;
    const scenario = field("Scenario", "", choice);
    const question = scenario.querySelector("p");
    question.setAttribute("aria-live", "polite");
    const ask = () => { question.textContent = (about.scenarios.find(each => each.name === choice.value) || { question: "A file named on the command line." }).question; };
    choice.addEventListener("change", ask);
    ask();
    const overrides = make("textarea", { name: "overrides", spellcheck: "false", autocapitalize: "off", rows: "3", placeholder: "publishers.flood.messages=5000" });
    overrides.value = kept.overrides ?? about.overrides;
    const text = (name, placeholder, value, more = {}) => {
      const made = make("input", { name, type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "off", placeholder, ...more });
      made.value = value ?? "";
      return made;
    };
    const says = "as the scenario says";
    const status = make("p", { role: "status" });
    // What was filled in for one scenario is offered for the next start of it, and does not follow to another.
    const defaults = { overrides: about.overrides, userCount: about.users ?? "", spawnRate: about.rate ?? "", runTime: about.run_time ?? "" };
    choice.addEventListener("change", () => {
      for (const [name, value] of Object.entries(defaults)) {
        const input = all.querySelector(`[name=${name}]`);
        if (input.value === kept[name]) input.value = value;
      }
    });
    const all = make("div", { class: "lt-start" },
      scenario,
      field("Broker", "An AMQP URL, or several with spaces between; empty: as shown.", text("broker", about.broker, kept.broker)),
      field("Overrides", "PATH=VALUE, one a line.", overrides),
      field("Users", "In all; shared by the groups.", text("userCount", says, kept.userCount ?? about.users, { inputmode: "numeric" }), "lt-third"),
      field("Connected a second", "How fast users connect.", text("spawnRate", says, kept.spawnRate ?? about.rate, { inputmode: "decimal" }), "lt-third"),
      field("Run time at most", "Such as 20s, 3m, 1h20m.", text("runTime", says, kept.runTime ?? about.run_time), "lt-third"),
      make("p", {}, make("a", { href: new URL("..", HERE).href, text: "Past results" }), " are listed on the AMQP page."), status);
    return [all, status];
  }

  function dress(form) {
    form.dataset.ltDressed = "true";
    const start = form.querySelector("button[type=submit]");
    if (!start || !form.querySelector("input[name=host]")) return;   // "Edit running load test": see hideEdit
    const box = start.parentElement;
    for (const child of [...box.children]) if (child !== start && child.getAttribute("role") !== "alert") child.classList.add("lt-hidden");
    const [all, status] = section();
    box.insertBefore(all, start);
    form.addEventListener("submit", () => {
      for (const each of all.querySelectorAll("[name]")) kept[each.name] = each.value;
      status.textContent = "Preparing the run: the broker is reached and the topology declared. A private broker takes some seconds.";
    }, true);
    new MutationObserver(() => { if (box.querySelector("[role=alert]")) status.textContent = ""; }).observe(box, { childList: true, subtree: true });
  }

  // Users cannot be changed in the middle of a run of ours: Locust's button for it would only ever show an error.
  function hideEdit() {
    for (const button of document.querySelectorAll("header button")) if (button.textContent === "Edit" && !button.closest("form")) button.classList.add("lt-hidden");
  }
  function look() {
    for (const form of document.querySelectorAll("form:not([data-lt-dressed])")) if (form.querySelector("input[name=userCount]")) dress(form);
    hideEdit();
  }
  async function begin() {
    const answer = await fetch(new URL("../form", HERE).href, { cache: "no-store" });
    if (!answer.ok) return;
    about = await answer.json();
    document.head.append(make("style", { text: STYLE }));
    look();
    new MutationObserver(look).observe(document.getElementById("root"), { childList: true, subtree: true });
  }
  if (document.getElementById("root")) begin();
})();
