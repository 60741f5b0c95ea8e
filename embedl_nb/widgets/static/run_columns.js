// The columns of the table of runs, and what it can be filtered by.

import { element } from "./frame.js";
import { dayText, headlineNumber, whenText } from "./recorded_rows.js";

/** @typedef {import("./recorded_rows.js").RecordedRun} RecordedRun */

/** @type {{key: string, label: string, value: (run: RecordedRun) => string}[]} */
export const RUN_FILTERS = [
  { key: "kind", label: "Verb", value: (run) => run.kind },
  { key: "device", label: "Device", value: (run) => run.device },
  { key: "unit", label: "Unit", value: (run) => run.compute_unit },
  { key: "numbers", label: "Numbers", value: (run) => run.provenance },
  { key: "state", label: "State", value: (run) => run.status },
  { key: "from", label: "From", value: (run) => run.imported_from },
];

/** @type {Record<string, string>} */
const RUN_STATES = {
  recorded: "it is in the store",
  waiting: "it is safe on this machine and goes to the store as soon as that works",
  incomplete: "the store was interrupted while it took it",
};

/**
 * @param {(run: RecordedRun) => boolean} isTicked
 * @param {RecordedRun[]} runs
 * @returns {import("./grid.js").Column<RecordedRun>[]} with where a run is from only where some are imported
 */
export function runColumns(isTicked, runs) {
  /** @type {import("./grid.js").Column<RecordedRun>[]} */
  const columns = [
    {
      key: "when",
      title: "When",
      width: 128,
      value: (run) => run.started_ms,
      draw: (run, cell) => {
        cell.classList.add("embedl-tick");
        cell.append(element("span", { class: "embedl-check", "aria-hidden": "true" }, isTicked(run) ? "✓" : ""), whenText(run));
        cell.title = `${dayText(run)}, run ${run.run_id}`;
      },
    },
    { key: "kind", title: "Verb", width: 90, value: (run) => run.kind },
    { key: "name", title: "Model", width: 130, value: (run) => run.name, draw: (run, cell) => {
      cell.append(run.name, run.precision && element("span", { class: "embedl-aside" }, run.precision));
    } },
    { key: "device", title: "Device", width: 150, isOptional: true, value: (run) => run.device },
    { key: "unit", title: "Unit", width: 56, isOptional: true, value: (run) => run.compute_unit },
    { key: "number", title: "Number", width: 138, isNumber: true, value: (run) => run.p50_ms, draw: (run, cell) => {
      const text = headlineNumber(run);
      const isOther = run.provenance && run.provenance !== "measured" && run.p50_ms !== null;
      cell.append(isOther ? element("span", { class: "embedl-tag" }, run.provenance) : "", text && ` ${text}`);
      cell.title = run.p50_ms === null ? text && `${text} model` : `p50 ${text}, ${run.provenance}`;
    } },
    { key: "state", title: "State", width: 84, isOptional: true, value: (run) => run.status, draw: (run, cell) => {
      cell.textContent = run.status;
      cell.title = RUN_STATES[run.status] ?? run.status;
      if (run.status !== "recorded") cell.classList.add("embedl-unready");
    } },
  ];
  if (runs.some((run) => run.imported_from)) {
    columns.push({ key: "from", title: "From", width: 80, isOptional: true, value: (run) => run.imported_from });
  }
  return columns;
}
