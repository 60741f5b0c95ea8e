// What the layer explorer saves: the rows as CSV, and the waterfall as a picture. Made in the browser, without a kernel.

import { LAYER_METRICS, layerChange, layerValue } from "./layer_rows.js";
import { LAYER_AXIS_PX, LAYER_ROW_PX, paintLayers, paintOverview } from "./layer_paint.js";

const UNITS = { time: "mean_ms", macs: "macs", bytes: "moved_bytes", error: "relative_error" };
const SCALE = 2;
const WIDTH_PX = 1000;
const HEAD_PX = 100;
// A canvas takes no more than some 16,000 pixels in a direction.
const MOST_ROWS = 400;

/**
 * @param {import("./layer_rows.js").LayerRow[]} rows
 * @param {string[]} names of the results
 * @returns {string} a header and a line for each row; an empty field is not known
 */
export function layersAsCsv(rows, names) {
  const prefixes = names.length === 1 ? [""] : ["first_", "second_"];
  const metrics = LAYER_METRICS.filter((metric) => metric.key in UNITS);
  const titleOf = (/** @type {any} */ metric) => UNITS[/** @type {keyof typeof UNITS} */ (metric.key)];
  const head = ["index", "layer", "operator", ...prefixes.flatMap((prefix) =>
    ["compute_unit", "kernel", "start_ms", "p50_ms", "p95_ms", "share", ...metrics.map(titleOf)].map((title) => prefix + title))];
  if (names.length === 2) head.push(...metrics.map((metric) => `${titleOf(metric)}_change`));
  const lines = rows.map((row) => [
    row.index,
    row.name,
    row.operator,
    ...row.sides.flatMap((side, place) => [
      side?.unit,
      side?.kernel,
      side?.start,
      side?.p50,
      side?.p95,
      side?.share,
      ...metrics.map((metric) => layerValue(row, place, metric)),
    ]),
    ...(names.length === 2 ? metrics.map((metric) => layerChange(row, metric)) : []),
  ]);
  return [head, ...lines].map((line) => line.map(field).join(",")).join("\r\n") + "\r\n";
}

/** @param {unknown} value */
function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  // A spreadsheet would run a name that begins like a formula.
  const text = /^[=+\-@\t\r]/.test(String(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * @param {import("./layer_scene.js").LayerScene} scene
 * @param {{title: string, legend: {colour: string, text: string}[], selected: number | null, isHatched: boolean, sight: {scroll: number, height: number}}} what
 *     `sight` is what a picture has of more rows than fit into one.
 * @param {import("./layer_paint.js").Theme} theme
 * @returns {Promise<Blob>}
 */
export function layersAsPng(scene, what, theme) {
  const isWhole = scene.rows.length <= MOST_ROWS;
  const height = isWhole ? scene.rows.length * LAYER_ROW_PX + LAYER_AXIS_PX : what.sight.height;
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH_PX * SCALE;
  canvas.height = (HEAD_PX + height) * SCALE;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(SCALE, SCALE);
  context.fillStyle = theme.bg;
  context.fillRect(0, 0, WIDTH_PX, HEAD_PX + height);
  context.font = theme.font;
  context.textBaseline = "middle";
  context.fillStyle = theme.fg;
  context.fillText(what.title, 8, 14, WIDTH_PX - 16);
  let x = 8;
  for (const { colour, text } of what.legend) {
    context.fillStyle = colour;
    context.fillRect(x, 31, 11, 11);
    context.fillStyle = theme.muted;
    context.fillText(text, x + 16, 37);
    x += 34 + context.measureText(text).width;
  }
  paintOverview(context, scene, { top: 50, width: WIDTH_PX, height: 44 }, theme);
  const scroll = isWhole ? 0 : what.sight.scroll;
  const { selected, isHatched } = what;
  paintLayers(context, scene, { top: HEAD_PX, width: WIDTH_PX, height, scroll, selected, isHatched }, theme);
  return new Promise((done, failed) => {
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the browser made no picture"))), "image/png");
  });
}
