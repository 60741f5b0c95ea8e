// Layers as the explorer shows them: rows from what the kernel sent, the metrics, and how numbers are written.

import { element } from "./frame.js";

/**
 * What one result says of a row. What is not known is null.
 *
 * @typedef {object} LayerSide
 * @property {number | null} start ms
 * @property {number} mean ms
 * @property {number | null} p50 ms
 * @property {number | null} p95 ms
 * @property {number} share 0 to 1
 * @property {string} unit
 * @property {string} kernel
 * @property {number | null} macs
 * @property {number | null} bytes
 * @property {number | null} error relative, >= 0
 * @property {string[]} operators
 */

/**
 * @typedef {object} LayerRow
 * @property {number} index place in the order they ran
 * @property {string} name
 * @property {string} operator
 * @property {(LayerSide | null)[]} sides one for each result; null where that one has no such layer
 * @property {boolean} hasMoved whether it ran on another unit in the second result
 * @property {number} before of two results: ms of the first, and changes of all rows before this one
 * @property {string} words what is searched
 */

/**
 * @typedef {object} LayerMetric
 * @property {string} key
 * @property {string} title
 * @property {string} [reasonKey] what it is called in the reasons why it is missing
 * @property {string} definition
 * @property {boolean} [isAdditive] whether a side without the layer has 0 of it
 * @property {(side: LayerSide) => number | null} of
 * @property {(value: number) => string} format
 */

const SIDE_KEYS = ["start", "mean", "p50", "p95", "share", "unit", "kernel", "macs", "bytes", "error", "operators"];

/** @type {LayerMetric[]} */
export const LAYER_METRICS = [
  {
    key: "time",
    title: "Time",
    definition: "mean of the inferences under the profiler",
    isAdditive: true,
    of: (side) => side.mean,
    format: msText,
  },
  {
    key: "macs",
    title: "MACs",
    reasonKey: "macs",
    definition: "multiply-accumulates of its operators",
    isAdditive: true,
    of: (side) => side.macs,
    format: (value) => scaledText(value, 1000, ["", " k", " M", " G", " T"]),
  },
  {
    key: "bytes",
    title: "Memory",
    reasonKey: "moved_bytes",
    definition: "values and weights that it reads and writes",
    isAdditive: true,
    of: (side) => side.bytes,
    format: (value) => scaledText(value, 1024, [" B", " KiB", " MiB", " GiB"]),
  },
  {
    key: "error",
    title: "Quantization error",
    reasonKey: "relative_error",
    definition: "of its output against the float network's: root mean square of the difference over that of the value",
    of: (side) => side.error,
    format: (value) => `${digits(100 * value)} %`,
  },
  { key: "unit", title: "Compute unit", definition: "where it ran", isAdditive: true, of: (side) => side.mean, format: msText },
];

/**
 * @param {any} layers the kernel's trait
 * @returns {LayerRow[]}
 */
export function layerRows(layers) {
  let before = layers.totals[0];
  return layers.rows.map((/** @type {[string, string, any[][]]} */ [name, operator, given], /** @type {number} */ index) => {
    const sides = given.map((side) => side && Object.fromEntries(SIDE_KEYS.map((key, place) => [key, side[place]])));
    const [first, second] = sides;
    const row = {
      index,
      name,
      operator,
      sides,
      hasMoved: Boolean(first?.unit && second?.unit && first.unit !== second.unit),
      before,
      words: [name, operator, ...sides.flatMap((side) => (side ? [side.unit, side.kernel] : []))].join(" ").toLowerCase(),
    };
    before += layerChange(row, LAYER_METRICS[0]) ?? 0;
    return row;
  });
}

/**
 * @param {Pick<LayerRow, "sides">} row
 * @param {number} place which result
 * @param {LayerMetric} metric
 * @returns {number | null}
 */
export function layerValue(row, place, metric) {
  const side = row.sides[place];
  return side ? (metric.of(side) ?? null) : null;
}

/**
 * @param {Pick<LayerRow, "sides">} row
 * @param {LayerMetric} metric
 * @returns {number | null} second less first; null where that is not known, or there is no second
 */
export function layerChange(row, metric) {
  const [first, second] = row.sides.map((side) => (side ? metric.of(side) : metric.isAdditive ? 0 : null));
  return first === null || second === null || first === undefined || second === undefined ? null : second - first;
}

/**
 * @param {LayerRow} row
 * @returns {string} where it ran, in both results where that differs
 */
export function unitText(row) {
  return [...new Set(row.sides.flatMap((side) => (side?.unit ? [side.unit] : [])))].join(" → ");
}

/**
 * @param {LayerRow} row
 * @param {LayerMetric} metric
 * @returns {string} its value, or how it changed
 */
export function layerText(row, metric) {
  if (metric.key === "unit") return unitText(row);
  const [first, second] = row.sides.map((_, place) => layerValue(row, place, metric));
  if (row.sides.length === 1) return first === null ? "not known" : metric.format(first);
  const change = layerChange(row, metric);
  if (metric.key === "time") return change === null ? "" : signedText(change, metric);
  const texts = [first, second].map((value) => (value === null ? "?" : metric.format(value)));
  return texts[0] === texts[1] ? texts[0] : texts.join(" → ");
}

/**
 * @param {number} value
 * @param {LayerMetric} metric
 */
export function signedText(value, metric) {
  const text = metric.format(Math.abs(value));
  return value < 0 ? `−${text}` : value > 0 ? `+${text}` : text;
}

/**
 * What is known of a row, as a list of terms.
 *
 * @param {LayerRow} row
 * @param {Record<string, string>} missing why a metric is known of no row
 */
export function layerDetails(row, missing) {
  const sides = row.sides.filter((side) => side !== null);
  /** @param {(side: LayerSide) => string} of */
  const both = (of) => [...new Set(row.sides.map((side) => (side ? of(side) : "no such layer")))].join(" → ");
  const isPair = row.sides.length === 2;
  const metrics = LAYER_METRICS.filter((metric) => metric.reasonKey).map((metric) => {
    const change = isPair ? layerChange(row, metric) : null;
    const values = both((side) => valueText(metric.of(side), metric));
    const reason = missing[/** @type {string} */ (metric.reasonKey)];
    return [metric.title, reason ? "not known, for the reason below" : change ? `${values} (${signedText(change, metric)})` : values];
  });
  const operators = [...new Set(sides.flatMap((side) => side.operators))];
  const change = isPair ? layerChange(row, LAYER_METRICS[0]) : null;
  /** @type {[string, string | HTMLElement][]} */
  const facts = [
    ["Layer", row.name],
    ["Operator", row.operator || "belongs to no layer"],
    ["Compute unit", unitText(row) || "none"],
    ["Time", both(timeText) + (change === null ? "" : ` (${signedText(change, LAYER_METRICS[0])})`)],
    .../** @type {[string, string][]} */ (metrics),
    ["Kernel", both((side) => side.kernel || "none")],
    [
      operators.length === 1 ? "Shapes" : "Operators",
      operators.length ? element("ul", {}, ...operators.map((line) => element("li", {}, line))) : "not known without the model",
    ],
  ];
  return element("dl", {}, ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
}

/** @param {LayerSide} side */
function timeText(side) {
  const more = [
    side.p50 === null ? "" : `p50 ${msText(side.p50)}`,
    side.p95 === null ? "" : `p95 ${msText(side.p95)}`,
    `${digits(100 * side.share)} %`,
  ];
  return `${msText(side.mean)} (${more.filter(Boolean).join(", ")})`;
}

/**
 * @param {number | null} value
 * @param {LayerMetric} metric
 */
function valueText(value, metric) {
  if (value === null) return "not known of this layer";
  if (metric.key !== "error") return metric.format(value);
  return value === 0 ? "none" : `${metric.format(value)} (SQNR ${(-20 * Math.log10(value)).toFixed(1)} dB)`;
}

/** @param {number} value */
export function msText(value) {
  return Math.abs(value) >= 10_000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`;
}

/**
 * @param {number} value
 * @param {number} base
 * @param {string[]} units
 */
function scaledText(value, base, units) {
  let place = 0;
  let scaled = value;
  for (; Math.abs(scaled) >= base && place < units.length - 1; place += 1) scaled /= base;
  return `${digits(scaled)}${units[place]}`;
}

/** @param {number} value */
function digits(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}
