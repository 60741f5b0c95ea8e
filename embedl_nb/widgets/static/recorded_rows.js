// Recorded runs as the page knows them: rows unpacked, the words that are searched, and who comes from whom.

/**
 * @typedef {object} RecordedRun
 * @property {string} run_id
 * @property {number | null} started_ms since 1970 UTC
 * @property {number | null} p50_ms
 * @property {number | null} p95_ms
 * @property {number | null} peak_memory_bytes
 * @property {number | null} energy_mj
 * @property {number | null} size_bytes of a model
 * @property {string} model_sha256 its beginning
 * @property {string} parent_run_id what it was made from, or measured
 * @property {string} kind
 * @property {string} name
 * @property {string} device
 * @property {string} compute_unit where it was seen to run
 * @property {string} precision
 * @property {string} provenance of its numbers
 * @property {string} status
 * @property {string} imported_from
 * @property {string} notebook
 * @property {string} git_commit
 * @property {string} words what is searched: small letters
 */

/**
 * @param {{columns: string[], numWords: number, words: string[], rows: any[][]}} packed
 * @returns {RecordedRun[]}
 */
export function unpackedRuns(packed) {
  const { columns = [], numWords, words, rows = [] } = packed;
  const firstWord = columns.length - numWords;
  return rows.map((values) => {
    /** @type {any} */
    const run = {};
    columns.forEach((column, place) => {
      run[column] = place < firstWord ? values[place] : words[values[place]];
    });
    const said = [run.run_id, run.kind, run.name, run.device, run.compute_unit, run.precision, run.provenance];
    said.push(run.status, run.imported_from, run.notebook, run.model_sha256, dayText(run));
    run.words = said.join(" ").toLowerCase();
    return run;
  });
}

/**
 * @param {any} packed what was sent first
 * @param {any} news what has changed since
 * @returns {RecordedRun[]} newest first
 */
export function presentRuns(packed, news) {
  const first = unpackedRuns(packed);
  const later = unpackedRuns(news ?? {});
  const gone = new Set(news?.gone ?? []);
  if (!later.length && !gone.size) return first;
  const latest = new Map(later.map((run) => [run.run_id, run]));
  const kept = first.filter((run) => !gone.has(run.run_id)).map((run) => {
    const now = latest.get(run.run_id) ?? run;
    latest.delete(run.run_id);
    return now;
  });
  const isNewer = (/** @type {RecordedRun} */ a, /** @type {RecordedRun} */ b) => (a.run_id < b.run_id ? 1 : -1);
  // What is new is nearly always newer than all that was known; what was imported is not.
  return latest.size ? [...latest.values(), ...kept].sort(isNewer) : kept;
}

const twoDigits = (/** @type {number} */ number) => String(number).padStart(2, "0");

/** @param {RecordedRun} run @returns {string} the day and minute in the reader's time zone */
export function dayText(run) {
  if (run.started_ms === null) return "";
  const when = new Date(run.started_ms);
  const day = [when.getFullYear(), twoDigits(when.getMonth() + 1), twoDigits(when.getDate())].join("-");
  return `${day} ${twoDigits(when.getHours())}:${twoDigits(when.getMinutes())}`;
}

/** @param {RecordedRun} run @returns {string} the same, short: a day of this year without its year, else without its time */
export function whenText(run) {
  const day = dayText(run);
  const when = new Date(run.started_ms ?? 0);
  if (!day.startsWith(String(new Date().getFullYear()))) return day.slice(0, 10);
  return `${when.toLocaleString("en", { month: "short" })} ${when.getDate()} ${day.slice(-5)}`;
}

/** @param {number} ms */
export function latencyText(ms) {
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  return ms >= 100 ? `${ms.toFixed(0)} ms` : ms >= 10 ? `${ms.toFixed(1)} ms` : ms >= 1 ? `${ms.toFixed(2)} ms` : `${ms.toPrecision(3)} ms`;
}

/** @param {number} bytes */
export function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const isSmall = bytes < 1024 * 1024;
  return `${(bytes / (isSmall ? 1024 : 1024 * 1024)).toFixed(1)} ${isSmall ? "KiB" : "MiB"}`;
}

/** @param {RecordedRun} run @returns {string} its first number */
export function headlineNumber(run) {
  if (run.p50_ms !== null) return latencyText(run.p50_ms);
  return run.size_bytes === null ? "" : sizeText(run.size_bytes);
}

const VERBS = new Map([["compile", "compiled"], ["quantize", "quantized"], ["benchmark", "measured"], ["preflight", "preflighted"]]);

/**
 * One run beside the one that is looked at.
 *
 * @typedef {{run: RecordedRun | null, id: string, depth: number, verb: string}} Relative
 */

/**
 * @param {RecordedRun} run
 * @param {Map<string, RecordedRun>} byId
 * @param {Map<string, RecordedRun[]>} children
 * @param {number} most how many at most below it
 * @returns {{above: Relative[], below: Relative[], numMore: number}} what it comes from, oldest first, and what was made of it
 */
export function relativesOf(run, byId, children, most) {
  /** @type {Relative[]} */
  const above = [];
  const seen = new Set([run.run_id]);
  for (let id = run.parent_run_id; id && !seen.has(id); ) {
    seen.add(id);
    const parent = byId.get(id) ?? null;
    above.unshift({ run: parent, id, depth: 0, verb: parent ? VERBS.get(parent.kind) ?? parent.kind : "" });
    id = parent?.parent_run_id ?? "";
  }
  /** @type {Relative[]} */
  const below = [];
  let numMore = 0;
  const descend = (/** @type {string} */ id, /** @type {number} */ depth) => {
    for (const child of children.get(id) ?? []) {
      if (seen.has(child.run_id)) continue;
      seen.add(child.run_id);
      if (below.length >= most) numMore += 1;
      else below.push({ run: child, id: child.run_id, depth, verb: VERBS.get(child.kind) ?? child.kind });
      descend(child.run_id, depth + 1);
    }
  };
  descend(run.run_id, 0);
  return { above, below, numMore };
}

/** @param {RecordedRun[]} runs @returns {Map<string, RecordedRun[]>} by the run that they come from, oldest first */
export function childrenOf(runs) {
  /** @type {Map<string, RecordedRun[]>} */
  const children = new Map();
  for (const run of runs) {
    if (!run.parent_run_id) continue;
    const siblings = children.get(run.parent_run_id);
    if (siblings) siblings.unshift(run);
    else children.set(run.parent_run_id, [run]);
  }
  return children;
}
