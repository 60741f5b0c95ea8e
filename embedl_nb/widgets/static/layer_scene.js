// What the waterfall draws of each row in each metric: bars, their range and colours. Numbers only, no canvas.

import { layerChange, layerText, layerValue } from "./layer_rows.js";

/** @typedef {{from: number, to: number, colour: string, half: number | null}} LayerBar `half` 0 is the upper one */

/**
 * @typedef {object} LayerScene
 * @property {import("./layer_rows.js").LayerRow[]} rows
 * @property {(row: import("./layer_rows.js").LayerRow) => LayerBar[]} bars
 * @property {(first: number, end: number) => [number, number]} range of the axis while these rows are in sight
 * @property {(row: import("./layer_rows.js").LayerRow) => string} text
 * @property {(value: number, step: number) => string} tick `step` is how far apart they are
 * @property {string[] | null} lanes instead of an axis
 * @property {(row: import("./layer_rows.js").LayerRow) => {size: number, colour: string}} peak of the overview, size 0 to 1
 */

/**
 * @param {import("./layer_rows.js").LayerRow[]} rows
 * @param {import("./layer_rows.js").LayerMetric} metric
 * @param {{colours: Record<string, string>, changeColours: string[], names: string[]}} layers
 * @returns {LayerScene}
 */
export function layerScene(rows, metric, layers) {
  const isPair = layers.names.length === 2;
  const colourOf = (/** @type {string} */ unit) => layers.colours[unit] ?? "#8c929a";
  const ownColour = (/** @type {import("./layer_rows.js").LayerRow} */ row) =>
    colourOf((row.sides[row.sides.length - 1] ?? row.sides[0])?.unit ?? "");
  const changeColour = (/** @type {number} */ change) => layers.changeColours[change > 0 ? 1 : 0];
  const isSteps = metric.key === "time";
  const lanes = metric.key === "unit" ? Object.keys(layers.colours) : null;

  /** @param {import("./layer_rows.js").LayerRow} row */
  function bars(row) {
    if (isSteps && isPair) {
      const change = layerChange(row, metric) ?? 0;
      return [bar(row.before, row.before + change, changeColour(change), null)];
    }
    return row.sides.flatMap((side, place) => {
      const half = isPair ? place : null;
      const value = layerValue(row, place, metric);
      if (!side || value === null) return [];
      if (lanes) {
        const lane = lanes.indexOf(side.unit);
        return lane < 0 ? [] : [bar(lane + 0.06, lane + 0.94, colourOf(side.unit), half)];
      }
      if (isSteps) return side.start === null ? [] : [bar(side.start, side.start + value, colourOf(side.unit), null)];
      return [bar(0, value, isPair ? layers.changeColours[place] : colourOf(side.unit), half)];
    });
  }

  const size = (/** @type {import("./layer_rows.js").LayerRow} */ row) =>
    isSteps && isPair
      ? Math.abs(layerChange(row, metric) ?? 0)
      : Math.max(0, ...row.sides.map((_, place) => layerValue(row, place, metric) ?? 0));
  // What belongs to no layer can be larger than all layers, and would leave nothing of them to see.
  const largest = rows.reduce((most, row) => (row.operator ? Math.max(most, size(row)) : most), 0) || 1;

  return {
    rows,
    bars,
    range: (first, end) => {
      if (lanes) return [0, lanes.length];
      if (!isSteps) return [0, largest];
      const ends = rows.slice(first, end).flatMap((row) => bars(row).flatMap((each) => [each.from, each.to]));
      const low = Math.min(...ends);
      const high = Math.max(...ends);
      return ends.length && high > low ? [low, high] : [ends[0] ?? 0, (ends[0] ?? 0) + 1];
    },
    text: (row) => layerText(row, metric),
    // Of a stretch of time far from its beginning three digits would be the same all along.
    tick: (value, step) => (isSteps ? `${value.toFixed(Math.min(9, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))))} ms` : metric.format(value)),
    lanes,
    peak: (row) => {
      const isByResult = isPair && !lanes;
      const colour = isByResult ? changeColour(layerChange(row, metric) ?? 0) : ownColour(row);
      return { size: lanes ? 1 : Math.min(1, size(row) / largest), colour };
    },
  };
}

/**
 * @param {number} from
 * @param {number} to
 * @param {string} colour
 * @param {number | null} half
 * @returns {LayerBar}
 */
function bar(from, to, colour, half) {
  return { from: Math.min(from, to), to: Math.max(from, to), colour, half };
}
