// The run monitor: a row for each device with where it stands, updated in place, and a Cancel for it.

import { element, frame, freshId, say } from "./frame.js";

const TICK_MS = 1000;
const ASK_EVERY_TICKS = 3;
const UNANSWERED_MS = 5000;
const SILENT_MS = 15000;
const TELL_EVERY_MS = 3000;
const LINE_WIDTH = 96;
const LINE_HEIGHT = 22;
const MOST_COUNTED = 100000;

// Another page is one that was loaded since.
const PAGE = freshId();

/**
 * @typedef {{kind: string, message: string, hint: string}} Problem
 *
 * @typedef {object} Row
 * @property {string} name the device's address; "" where the work is a single job
 * @property {string} standing running, cancelling, done, failed, cancelled or stopped
 * @property {string} process which process of how many
 * @property {string} stage
 * @property {string} message
 * @property {number | null} done
 * @property {number | null} total
 * @property {number | null} share 0 to 1
 * @property {string} latency with its unit
 * @property {number[]} latencies ms, the oldest first
 * @property {number | null} temperature
 * @property {string} asked
 * @property {string} got
 * @property {Problem[]} errors
 *
 * @typedef {object} Run
 * @property {string} verb
 * @property {number} elapsed seconds
 * @property {Row} whole
 * @property {Row[]} rows
 * @property {string} summary "" while it goes on
 */

const isOver = (/** @type {Row} */ row) => !["running", "cancelling"].includes(row.standing);

/** @param {number} seconds */
function duration(seconds) {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** @param {Row} row */
function position(row) {
  if (row.done === null || row.done > MOST_COUNTED || (row.total ?? 0) > MOST_COUNTED) {
    return row.share === null ? "" : `${Math.floor(row.share * 100)} %`;
  }
  const done = Math.floor(row.done);
  return row.total === null ? `${done}` : `${done} of ${Math.floor(row.total)}`;
}

/** @param {Row} row */
function step(row) {
  if (isOver(row)) return row.standing;
  const where = [row.process, row.stage, position(row)].filter(Boolean).join(", ");
  return row.standing === "cancelling" ? `cancelling (${where})` : where;
}

/** @param {Row} row */
function unit(row) {
  if (!row.got || row.got === row.asked) return row.got || row.asked;
  return `${row.got} (asked ${row.asked})`;
}

/**
 * Write what all jobs came to so far; nothing in it goes on by itself, as a screen reader reads each change out.
 *
 * @param {Run} run
 */
function news(run) {
  if (run.summary) return run.summary;
  if (!run.rows[0]?.name) return `${run.verb}: ${run.whole.stage || run.whole.process}`;
  const count = (/** @type {string} */ standing) => run.rows.filter((row) => row.standing === standing).length;
  const parts = ["done", "failed", "cancelled"].map((standing) => [count(standing), standing]);
  const counted = parts.filter(([number]) => number).map((part) => part.join(" ")).join(", ");
  return `${run.verb} on ${run.rows.length} devices: ${counted || "all at work"}`;
}

/** A line of the latest latencies; its text is beside it. */
function latencyLine() {
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { class: "embedl-line", "aria-hidden": "true" }));
  return {
    canvas,
    /** @param {number[]} values */
    draw(values) {
      const scale = devicePixelRatio || 1;
      canvas.width = LINE_WIDTH * scale;
      canvas.height = LINE_HEIGHT * scale;
      const paint = canvas.getContext("2d");
      if (!paint || !values.length) return;
      paint.scale(scale, scale);
      paint.strokeStyle = paint.fillStyle = getComputedStyle(canvas).color;
      paint.lineWidth = 1.5;
      const points = linePoints(values);
      paint.beginPath();
      for (const [x, y] of points) paint.lineTo(x, y);
      paint.stroke();
      const [x, y] = points[points.length - 1];
      paint.beginPath();
      paint.arc(x, y, 2, 0, 2 * Math.PI);
      paint.fill();
    },
  };
}

/**
 * @param {number[]} values
 * @returns {[number, number][]}
 */
function linePoints(values) {
  const ordered = values.toSorted((one, other) => one - other);
  const middle = ordered[ordered.length >> 1];
  // At least a tenth up and down: noise of a hundredth is to look like a flat line.
  const low = Math.min(ordered[0], middle * 0.9);
  const high = Math.max(ordered[ordered.length - 1], middle * 1.1);
  const across = (LINE_WIDTH - 6) / Math.max(values.length - 1, 1);
  return values.map((value, place) => [
    3 + place * across,
    3 + (LINE_HEIGHT - 6) * (1 - (value - low) / (high - low || 1)),
  ]);
}

/**
 * One job's row in the table, and the row of what went wrong below it.
 *
 * @param {string} name
 * @param {(name: string) => void} cancel
 */
function jobRow(name, cancel) {
  const cell = (/** @type {string} */ kind) => element("td", { class: kind });
  const where = element("th", { scope: "row", class: "embedl-where" }, name);
  const standing = element("span", { class: "embedl-standing" });
  const progress = element("progress", { max: "1", "aria-label": name || "progress" });
  const message = element("span", { class: "embedl-message" });
  const line = latencyLine();
  const latency = element("span", {});
  const temperature = cell("embedl-temperature");
  const unitCell = cell("embedl-unit");
  const button = element("button", { type: "button", "aria-label": `Cancel ${name}`, click: () => cancel(name) }, "Cancel");
  const problem = element("td", { colspan: "6" });
  const problems = element("tr", { class: "embedl-problem", hidden: true }, problem);
  const row = element(
    "tr", {}, where, element("td", { class: "embedl-step" }, element("div", {}, standing, progress), message),
    element("td", { class: "embedl-latency" }, line.canvas, latency), temperature, unitCell,
    element("td", { class: "embedl-cancel" }, button),
  );
  let shown = "";
  return {
    nodes: [row, problems],
    button,
    /**
     * @param {Row} state
     * @param {boolean} canCancel
     * @param {boolean} isMoving
     */
    update(state, canCancel, isMoving) {
      progress.hidden = isOver(state) || !isMoving;
      button.toggleAttribute("disabled", !canCancel || state.standing === "cancelling");
      const now = JSON.stringify(state);
      if (now === shown) return;
      shown = now;
      row.dataset.standing = state.standing;
      say(standing, step(state));
      if (state.share === null) progress.removeAttribute("value");
      else progress.setAttribute("value", String(state.share));
      say(message, isOver(state) ? "" : state.message);
      line.draw(state.latencies);
      say(latency, state.latency);
      say(temperature, state.temperature === null ? "" : `${state.temperature.toFixed(1)} °C`);
      say(unitCell, unit(state));
      button.hidden = isOver(state);
      problems.hidden = !state.errors.length;
      problem.replaceChildren(...state.errors.map(problemText));
    },
  };
}

/** @param {Problem} problem */
function problemText({ kind, message, hint }) {
  const text = element("p", {}, element("b", {}, `${kind}: `), message);
  return element("div", {}, text, hint ? element("p", {}, "Try: ", element("code", {}, hint)) : null);
}

/** What the page knows of the kernel: whether it answers, and since when it does not. */
function hearing() {
  let heardAt = 0;
  let askedAt = 0;
  return {
    asked: () => {
      askedAt ||= performance.now();
    },
    heard: () => {
      heardAt = performance.now();
      askedAt = 0;
    },
    /** Whether it has ever answered a question. */
    get answers() {
      return heardAt > 0;
    },
    /** For how long a question has waited for its answer, ms. */
    get waited() {
      return askedAt ? performance.now() - askedAt : 0;
    },
  };
}

/** @param {{model: import("./frame.js").Model, el: HTMLElement}} props */
function render({ model, el }) {
  const { body, listen, end } = frame(model, el, "Run monitor");
  body.classList.add("embedl-monitor");
  const kernel = hearing();
  let startedAt = performance.now();
  let wasSilent = false;
  let toldAt = -TELL_EVERY_MS;
  let isGone = false;
  /** @type {Set<string>} */
  const asked = new Set();
  /** @type {Map<string, ReturnType<typeof jobRow>>} */
  const rows = new Map();

  const title = element("strong", {});
  const clock = element("span", { class: "embedl-clock" });
  const status = element("span", { class: "embedl-news", role: "status" });
  const note = element("p", { class: "embedl-note", role: "status", hidden: true });
  const cancelAll = element("button", { type: "button", click: () => cancel("") }, "Cancel");
  const heads = ["Device", "Step", "Latency", "Temperature", "Unit", ""].map((name) => element("th", { scope: "col" }, name));
  const tbody = element("tbody", {});
  const table = element("table", { "aria-label": "Jobs" }, element("thead", {}, element("tr", {}, ...heads)), tbody);
  body.append(
    element("div", { class: "embedl-bar" }, title, clock, status, cancelAll),
    note, element("div", { class: "embedl-jobs" }, table),
  );

  const run = () => /** @type {Run} */ (model.get("_run"));
  const isSilent = () => isGone || (kernel.answers && kernel.waited > SILENT_MS);

  function cancel(/** @type {string} */ name) {
    asked.add(name);
    model.send({ type: "cancel", name });
    kernel.asked();
    draw();
  }

  function draw() {
    const state = run();
    const isRunning = !state.summary && !isSilent();
    const canCancel = isRunning && kernel.answers;
    title.textContent = state.verb;
    cancelAll.hidden = Boolean(state.summary);
    say(cancelAll, asked.has("") ? "Cancelling…" : state.rows.length > 1 ? "Cancel all" : "Cancel");
    cancelAll.toggleAttribute("disabled", !canCancel || asked.has(""));
    for (const each of state.rows) {
      const known = rows.get(each.name) ?? added(each.name);
      const standing = asked.has(each.name) && each.standing === "running" ? "cancelling" : each.standing;
      const hadFocus = known.button.matches(":focus");
      known.update({ ...each, standing }, canCancel, isRunning);
      if (hadFocus && known.button.hidden) cancelAll.focus();
    }
    const first = state.rows[0];
    table.classList.toggle("embedl-single", !first?.name);
    table.hidden = !first?.name && Boolean(state.summary);
    table.classList.toggle("embedl-no-latency", !state.rows.some((row) => row.latencies.length));
    table.classList.toggle("embedl-no-temperature", state.rows.every((row) => row.temperature === null));
    table.classList.toggle("embedl-no-unit", !state.rows.some(unit));
    wasSilent = isSilent();
    tick();
  }

  function added(/** @type {string} */ name) {
    if (name) remove(""); // what stood for all before there were several
    const made = jobRow(name, cancel);
    rows.set(name, made);
    tbody.append(...made.nodes);
    return made;
  }

  function remove(/** @type {string} */ name) {
    for (const node of rows.get(name)?.nodes ?? []) node.remove();
    rows.delete(name);
  }

  function tick() {
    const isRunning = !run().summary && !isSilent();
    if (isRunning) clock.textContent = duration((performance.now() - startedAt) / 1000);
    tell();
    if (run().summary || isGone) say(note, ""); // the frame says that the kernel is gone
    else if (isSilent()) say(note, "Nothing is heard of this run any more: its kernel is gone or cut off. What was finished is in enb.runs().");
    else if (!kernel.answers && kernel.waited > UNANSWERED_MS) {
      say(note, "A busy kernel cannot be reached from this page. To stop, interrupt it: the stop button, or the keys i i.");
    } else say(note, "");
    note.hidden = !note.textContent;
  }

  function tell() {
    const now = performance.now();
    if (now < toldAt + TELL_EVERY_MS && !run().summary) return;
    toldAt = now;
    say(status, news(run()));
  }

  function ask() {
    kernel.asked();
    model.send({ type: "hello", page: PAGE });
  }

  listen("change:_run", () => {
    startedAt = performance.now() - run().elapsed * 1000;
    draw();
  });
  listen("msg:custom", (/** @type {{type: string, elapsed: number, cancelling: string[]}} */ content) => {
    if (content.type !== "heard") return;
    kernel.heard();
    startedAt = performance.now() - content.elapsed * 1000;
    for (const name of content.cancelling) asked.add(name);
    draw();
  });
  listen("comm_live_update", () => {
    isGone = true;
    draw();
  });
  startedAt -= run().elapsed * 1000;
  let ticks = 0;
  const timer = setInterval(() => {
    if (run().summary || isGone) return;
    ticks += 1;
    if (ticks % ASK_EVERY_TICKS === 0) ask();
    if (wasSilent !== isSilent()) draw();
    else tick();
  }, TICK_MS);
  if (!run().summary) ask();
  draw();
  return () => {
    clearInterval(timer);
    end();
  };
}

export default { render };
