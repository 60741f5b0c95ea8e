// The run browser: a search box, filters and one table of all recorded runs; below it the run that is looked at, with
// what it comes from, and what was made of those that are ticked.

import { element, frame, save, say, searchBox, whenQuiet } from "./frame.js";
import { createGrid, sorted } from "./grid.js";
import { childrenOf, dayText, headlineNumber, presentRuns, relativesOf } from "./recorded_rows.js";
import { asPng, failure, resultView, svgPicture } from "./result_view.js";
import { RUN_FILTERS, runColumns } from "./run_columns.js";

const ASK_EVERY_MS = 4000;
const SAVE_AFTER_MS = 400;
const SHOW_AFTER_MS = 150;
const MOST_RELATIVES = 50;

/** @typedef {import("./recorded_rows.js").RecordedRun} RecordedRun */

/** @param {string} text as query.is_condition has it */
const isCondition = (text) => /[<>=~!]/.test(text);

/** @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // a page that is not served securely may not
  }
}

/** Of JupyterLab and Notebook; other front ends have none. @returns {{baseUrl?: string, serverRoot?: string}} */
function serverPage() {
  const config = document.getElementById("jupyter-config-data");
  try {
    return JSON.parse(config?.textContent || "{}");
  } catch {
    return {};
  }
}

/**
 * @param {{model: import("./frame.js").Model, el: HTMLElement}} context
 */
function render({ model, el }) {
  const { body, listen, end } = frame(model, el, "Run browser");
  /** @type {RecordedRun[]} newest first */
  let runs = [];
  /** @type {Map<string, RecordedRun>} */
  let byId = new Map();
  /** @type {Map<string, RecordedRun[]>} */
  let children = new Map();
  /** @type {RecordedRun[]} in the order of the table */
  let ordered = [];
  /** @type {Record<string, any>} */
  let query = { ...model.get("_query") };
  let ticked = new Set(/** @type {string[]} */ (model.get("value")));
  let isGone = false;

  const button = (/** @type {string} */ text, /** @type {() => void} */ click, /** @type {string | null} */ label = null) =>
    /** @type {HTMLButtonElement} */ (element("button", { type: "button", "aria-label": label, click }, text));

  const searchHelp = element("p", { class: "embedl-hint", role: "status" });
  const search = searchBox({
    label: "Search runs",
    placeholder: "Search: resnet w8a8 pixel, or p50_ms < 10 and device ~ pixel",
    search: (words) => setQuery({ search: words }),
    leave: () => grid.focus(),
  });
  const filters = RUN_FILTERS.map((filter) => {
    const select = /** @type {HTMLSelectElement} */ (element("select", {
      "aria-label": filter.label,
      change: () => setQuery({ [filter.key]: select.value }),
    }));
    return { ...filter, select, label: element("label", {}, filter.label, select), choices: "" };
  });
  const clear = button("Clear", () => {
    query = query.sort ? { sort: query.sort } : {};
    saveQuery();
    showQuery();
    search.focus();
  });
  const refresh = button("Refresh", () => {
    ask(true);
    refresh.textContent = "Reading…";
  }, "Read the store again");
  const count = element("p", { class: "embedl-count", role: "status" });
  const store = element("p", { class: "embedl-store" });
  const empty = element(
    "p",
    { class: "embedl-first", hidden: true },
    "Nothing is recorded yet. ",
    element("code", {}, "enb.compile(model, example_inputs)"),
    " makes the first run; ",
    element("code", {}, "enb.benchmark(model)"),
    " the next. They appear here by themselves.",
  );
  const tickedList = element("ul", { class: "embedl-picked", "aria-label": "Ticked runs" });
  const compare = button("Compare", () => act("compare"));
  const report = button("Write report", () => act("report", { root: serverPage().serverRoot ?? "" }));
  const untick = button("Untick all", () => setTicked([]));
  const advice = element("p", { class: "embedl-hint" });
  const details = element("section", { class: "embedl-panel", "aria-label": "Selected run" });
  const compared = element("section", { class: "embedl-panel", "aria-label": "Comparison", hidden: true });
  const reported = element("section", { class: "embedl-panel", "aria-label": "Report", hidden: true });
  const again = element("section", { class: "embedl-panel", "aria-label": "Run again", hidden: true });
  const announced = element("p", { class: "embedl-unseen", role: "status" });

  const columns = runColumns((run) => ticked.has(run.run_id), presentRuns(model.get("_rows"), model.get("_news")));
  const grid = createGrid({
    label: "Runs",
    columns,
    id: (run) => run.run_id,
    isSelected: (run) => ticked.has(run.run_id),
    isMultiple: true,
    onSelect: (run, event) => {
      // A click anywhere looks at a run; only one at its box ticks it.
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.type === "click" && !target.closest(".embedl-tick")) return;
      toggle(run.run_id);
    },
    onActive: (run) => run && look(run.run_id),
    onSort: (sort) => {
      query = { ...query, sort };
      saveQuery();
      order();
      show();
    },
    emptyText: "No run fits. Search for fewer words, or clear the filters.",
  });

  body.append(
    element("div", { class: "embedl-bar" }, search, clear, refresh),
    searchHelp,
    element("div", { class: "embedl-bar embedl-filters", role: "group", "aria-label": "Filters" }, ...filters.map((each) => each.label)),
    empty,
    grid.element,
    element("div", { class: "embedl-bar embedl-foot" }, count, store),
    element("div", { class: "embedl-bar", role: "group", "aria-label": "Ticked" }, compare, report, untick, advice),
    tickedList,
    compared,
    reported,
    details,
    again,
    announced,
  );

  const saveLater = whenQuiet(saveQuery, SAVE_AFTER_MS);
  const filterLater = whenQuiet(askForMatches, SHOW_AFTER_MS);
  const showLater = whenQuiet(() => {
    if (model.get("selected")) model.send({ type: "show", id: model.get("selected") });
  }, SHOW_AFTER_MS);

  function saveQuery() {
    model.set("_query", query);
    model.save_changes();
  }

  /** @param {Record<string, any>} change */
  function setQuery(change) {
    query = { ...query, ...change };
    show();
    saveLater();
  }

  /** Put the controls where the query says, and show what fits. */
  function showQuery() {
    search.value = query.search ?? "";
    showChoices();
    order();
    show();
  }

  function showChoices() {
    for (const filter of filters) {
      const known = new Set(runs.map(filter.value).filter(Boolean));
      if (query[filter.key]) known.add(query[filter.key]);
      const choices = [...known].sort(new Intl.Collator("en", { numeric: true }).compare);
      filter.label.hidden = choices.length < (filter.key === "from" ? 1 : 2) && !query[filter.key];
      if (filter.choices !== choices.join("\n")) {
        filter.choices = choices.join("\n");
        filter.select.replaceChildren(
          element("option", { value: "" }, "any"),
          ...choices.map((value) => element("option", { value }, value)),
        );
      }
      filter.select.value = query[filter.key] ?? "";
    }
  }

  function order() {
    ordered = sorted(runs, columns, query.sort ?? null);
    grid.setSort(query.sort ?? null);
  }

  function askForMatches() {
    model.send({ type: "filter", text: String(query.search ?? "") });
  }

  /** @returns {((run: RecordedRun) => boolean) | null} null while the kernel has not answered */
  function searched() {
    const text = String(query.search ?? "");
    if (!isCondition(text)) {
      const words = text.toLowerCase().split(/\s+/).filter(Boolean);
      say(searchHelp, "");
      return (run) => words.every((word) => run.words.includes(word));
    }
    const found = model.get("_found");
    if (found.text !== text) {
      say(searchHelp, isGone ? "A condition needs the kernel." : "Asking the kernel, which answers between two cells…");
      if (!isGone) filterLater();
      return null;
    }
    say(searchHelp, found.message ? [found.message, found.hint && `Try: ${found.hint}`].filter(Boolean).join("\n") : "");
    if (found.message) return null;
    const ids = new Set(found.ids);
    return (run) => ids.has(run.run_id);
  }

  function show() {
    const fits = searched();
    searchHelp.hidden = !searchHelp.textContent;
    const asked = filters.filter((filter) => query[filter.key]);
    clear.hidden = !asked.length && !query.search;
    empty.hidden = runs.length > 0 || Boolean(model.get("_error")?.message);
    grid.element.hidden = runs.length === 0;
    if (!fits) return;
    const fitting = ordered.filter((run) => fits(run) && asked.every((filter) => filter.value(run) === query[filter.key]));
    grid.setRows(fitting);
    const all = fitting.length === runs.length ? "" : `${fitting.length.toLocaleString("en")} of `;
    say(count, `${all}${runs.length.toLocaleString("en")} ${runs.length === 1 ? "run" : "runs"}`);
  }

  /** @param {string[]} ids */
  function setTicked(ids) {
    model.set("value", ids);
    model.save_changes();
  }

  /** @param {string} id */
  function toggle(id) {
    setTicked(ticked.has(id) ? [...ticked].filter((each) => each !== id) : [...ticked, id]);
  }

  function showTicked() {
    grid.redraw();
    tickedList.replaceChildren(...[...ticked].map((id) => {
      const run = byId.get(id);
      const name = run ? [run.name, run.precision, run.device, headlineNumber(run)].filter(Boolean).join(" · ") : id;
      const remove = button("×", () => {
        toggle(id);
        (tickedList.querySelector("button") ?? search).focus();
      }, `Untick ${name}`);
      const to = button(run ? name : `${id} (not there now)`, () => look(id));
      to.classList.add("embedl-link");
      return element("li", { class: run ? null : "embedl-unready", title: id }, to, remove);
    }));
    tickedList.hidden = !ticked.size;
    const some = [...ticked].map((id) => byId.get(id));
    const others = some.filter((run) => run && run.kind !== "benchmark").length;
    untick.hidden = !ticked.size;
    report.disabled = isGone || !ticked.size;
    compare.disabled = isGone || ticked.size < 2 || others > 0 || some.includes(undefined);
    say(advice, !ticked.size
      ? "Tick runs: Space, or a click on the box. Two or more benchmarks can be compared."
      : others
        ? "Only benchmarks are compared; enb.compare measures models in turns."
        : some.includes(undefined)
          ? "A ticked run is not in the store any more."
          : ticked.size < 2 ? "Tick one more to compare." : "");
  }

  /** @param {string} id */
  function look(id) {
    if (model.get("selected") === id) return;
    model.set("selected", id);
    model.save_changes();
  }

  /**
   * @param {string} type
   * @param {Record<string, any>} [more]
   */
  function act(type, more = {}) {
    model.send({ type, ...more });
    if (type === "compare") showComparing();
  }

  function showComparing() {
    compared.hidden = false;
    compared.replaceChildren(element("p", { class: "embedl-hint" }, "Comparing…"));
  }

  // What is looked at.

  /** @param {string} text */
  function copyable(text) {
    const code = element("code", {}, text);
    const copy = button("Copy", async () => {
      if (!(await copied(text))) getSelection()?.selectAllChildren(code);
      else {
        copy.textContent = "Copied";
        setTimeout(() => { copy.textContent = "Copy"; }, 1500);
      }
    }, `Copy ${text}`);
    return element("p", { class: "embedl-copy" }, code, copy);
  }

  /** @param {import("./recorded_rows.js").Relative} relative */
  function relativeItem(relative) {
    const { run, id, verb } = relative;
    if (!run) return element("li", {}, `${id} (not in the store)`);
    const text = [run.name, run.precision, run.device, headlineNumber(run)].filter(Boolean).join(" · ");
    const to = button(text, () => goTo(id), `Go to ${verb} ${text}`);
    to.classList.add("embedl-link");
    to.title = id;
    const item = element("li", {}, element("span", { class: "embedl-verb" }, verb), to);
    item.style.marginLeft = `${relative.depth * 18}px`;
    return item;
  }

  /** @param {string} id */
  function goTo(id) {
    look(id);
    details.querySelector("h4")?.focus();
  }

  /** @param {RecordedRun} run */
  function lineage(run) {
    const { above, below, numMore } = relativesOf(run, byId, children, MOST_RELATIVES);
    if (!above.length && !below.length) return element("p", { class: "embedl-hint" }, "It comes from no other run, and nothing was made of it yet.");
    return element(
      "div",
      { class: "embedl-lineage" },
      above.length > 0 && element("div", {}, element("h5", {}, "Comes from"), element("ol", {}, ...above.map(relativeItem))),
      below.length > 0 && element(
        "div",
        {},
        element("h5", {}, `Made of it (${below.length + numMore})`),
        element("ol", {}, ...below.map(relativeItem), numMore > 0 && element("li", {}, `and ${numMore} more`)),
      ),
    );
  }

  function showDetails() {
    const id = model.get("selected");
    if (!id) {
      details.replaceChildren(element("p", { class: "embedl-hint" }, "Arrow keys or a click show a run: what it found, what it comes from, what was made of it."));
      return;
    }
    const run = byId.get(id);
    const said = model.get("_details");
    const isSaid = said.id === id;
    if (!isSaid && !isGone) showLater();
    const standing = model.get("_again");
    const redo = button("Run again", () => model.send({ type: "again", id }), `Run ${id} again`);
    redo.disabled = isGone || Boolean(standing.isRunning);
    redo.title = standing.isRunning ? "one at a time: another run is being done again" : "does the recorded step again, which takes as long as it took";
    const facts = run ? [
      ["recorded", `${dayText(run)}${run.imported_from ? `, imported from ${run.imported_from}` : ""}`],
      ["notebook", run.notebook],
      ["git commit", run.git_commit.slice(0, 12)],
    ].filter(([, value]) => value) : [];
    details.replaceChildren(
      element(
        "div",
        { class: "embedl-bar" },
        element("h4", { tabindex: -1 }, run ? `${run.kind} ${run.name}` : id),
        copyable(`enb.load("${id}")`),
        redo,
      ),
      run ? lineage(run) : element("p", { class: "embedl-warning" }, "This run is not in the store any more."),
      isSaid
        ? said.view ? resultView({ ...said.view, facts: [...said.view.facts, ...facts] }) : failure(said)
        : element("p", { class: "embedl-hint" }, isGone ? "Its facts need the kernel." : "Reading its record…"),
    );
  }

  // What was made of those that are ticked.

  function showComparison() {
    const said = model.get("_comparison");
    compared.hidden = !said.ids;
    if (!said.ids) return;
    if (said.isBeingMade) {
      showComparing();
      return;
    }
    const isStale = said.ids.join() !== [...ticked].join();
    if (!said.view) {
      compared.replaceChildren(failure(said));
      return;
    }
    const pictures = said.pictures.map((/** @type {string} */ svg) => svgPicture(svg));
    const name = `comparison-${said.ids.join("-").slice(0, 80)}`;
    compared.replaceChildren(
      element(
        "div",
        { class: "embedl-bar" },
        element("h4", {}, `Comparison of ${said.ids.length} runs`),
        isStale && element("p", { class: "embedl-hint" }, "Others are ticked now."),
        copyable(`enb.compare(${said.ids.map((/** @type {string} */ id) => JSON.stringify(id)).join(", ")})`),
        button("CSV", () => save(new Blob([said.csv], { type: "text/csv" }), `${name}.csv`), "Save the comparison as CSV"),
        pictures.length > 0 && button("PNG", async () => save(await asPng(said.pictures, compared.closest(".embedl-widget") ?? body), `${name}.png`), "Save the comparison as PNG"),
        button("×", () => {
          model.set("_comparison", {});
          model.save_changes();
        }, "Close the comparison"),
      ),
      resultView(said.view, pictures),
    );
  }

  function showReport() {
    const said = model.get("_report");
    reported.hidden = !said.ids;
    report.disabled = isGone || !ticked.size || Boolean(said.isBeingWritten);
    if (!said.ids) return;
    if (said.isBeingWritten) {
      reported.replaceChildren(element("p", { class: "embedl-hint" }, "Writing the report…"));
      return;
    }
    if (said.message) {
      reported.replaceChildren(failure(said));
      return;
    }
    const { baseUrl } = serverPage();
    const isServed = Boolean(said.served && baseUrl);
    const link = isServed && element("a", { href: `${baseUrl}files/${said.served}`, target: "_blank", rel: "noopener" }, "Open report");
    reported.replaceChildren(element(
      "div",
      { class: "embedl-bar" },
      element("h4", {}, `Report of ${said.ids.length} ${said.ids.length === 1 ? "run" : "runs"}`),
      link,
      button("Download", () => model.send({ type: "download" }), "Download the report"),
      copyable(said.path),
    ));
  }

  function showAgain() {
    const said = model.get("_again");
    again.hidden = !said.id;
    showDetails();
    if (!said.id) return;
    const title = element("h4", {}, `Run ${said.id} again`);
    if (said.isRunning) {
      const cancel = button("Cancel", () => model.send({ type: "stop" }), "Cancel the run");
      cancel.disabled = isGone || Boolean(said.isStopping);
      const progress = said.share === null || said.share === undefined
        ? element("progress", { "aria-label": "Progress" })
        : element("progress", { "aria-label": "Progress", value: said.share });
      again.replaceChildren(
        element("div", { class: "embedl-bar" }, title, progress, cancel),
        element("p", { class: "embedl-hint" }, said.isStopping ? "Stopping…" : [said.stage, said.words].filter(Boolean).join(": ")),
        element("p", { class: "embedl-hint" }, "Cells that run meanwhile disturb what is measured. While a cell runs, Cancel waits for its end."),
      );
      return;
    }
    const to = said.newId && button("Go to the new run", () => goTo(said.newId));
    again.replaceChildren(
      element("div", { class: "embedl-bar" }, title, to),
      said.view ? resultView(said.view) : failure(said),
    );
  }

  // What the kernel says.

  function showRuns() {
    runs = presentRuns(model.get("_rows"), model.get("_news"));
    byId = new Map(runs.map((run) => [run.run_id, run]));
    children = childrenOf(runs);
    say(store, model.get("_store"));
    showQuery();
    showTicked();
    showDetails();
  }

  // One question at a time: while the kernel is busy they do not pile up.
  let isAsking = false;
  function ask(isAskedFor = false) {
    if (isAsking) return;
    isAsking = true;
    model.send({ type: "list", isAskedFor });
  }
  function answered() {
    isAsking = false;
    refresh.textContent = "Refresh";
  }
  const asking = setInterval(() => {
    if (!document.hidden && el.isConnected && el.offsetParent) ask();
  }, ASK_EVERY_MS);

  const showRunsOnce = whenQuiet(showRuns, 0);
  listen("change:_rows", showRunsOnce);
  listen("change:_news", showRunsOnce);
  listen("change:_found", show);
  listen("change:_error", show);
  listen("change:_num_listed", answered);
  listen("change:_details", showDetails);
  listen("change:selected", () => {
    grid.activate(model.get("selected"));
    showDetails();
  });
  listen("change:value", () => {
    ticked = new Set(model.get("value"));
    showTicked();
    showComparison();
  });
  listen("change:_comparison", () => {
    showComparison();
    const said = model.get("_comparison");
    say(announced, said.isBeingMade ? "Comparing the runs" : said.view?.headline ?? said.message ?? "");
  });
  listen("change:_report", () => {
    showReport();
    const said = model.get("_report");
    say(announced, said.isBeingWritten ? "Writing the report" : said.message ?? (said.path ? "The report is written" : ""));
  });
  listen("change:_again", () => {
    showAgain();
    const said = model.get("_again");
    say(announced, said.isRunning ? `Doing run ${said.id} again: ${said.stage ?? ""}` : said.view?.headline ?? said.message ?? "");
  });
  listen("change:_query", () => {
    const next = model.get("_query");
    if (JSON.stringify(next) === JSON.stringify(query)) return;
    query = { ...next };
    showQuery();
  });
  listen("msg:custom", (content, buffers) => {
    if (content?.type === "report") save(new Blob(buffers, { type: "text/html" }), content.name);
  });
  listen("comm_live_update", () => {
    clearInterval(asking);
    isGone = true;
    refresh.disabled = true;
    answered();
    showTicked();
    showReport();
    showAgain();
  });

  showRuns();
  grid.activate(model.get("selected"));
  showComparison();
  showReport();
  showAgain();
  return () => {
    clearInterval(asking);
    saveLater.now();
    grid.end();
    end();
  };
}

export default { render };
