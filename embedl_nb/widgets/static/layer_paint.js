// Paints a scene on a canvas: for the page, and for a picture that is saved.

export const LAYER_ROW_PX = 18;
export const LAYER_AXIS_PX = 22;
const LABEL_SHARE = 0.32;
const LONGEST_LABEL_PX = 300;
const TEXT_PX = 112;

/** @typedef {{fg: string, muted: string, line: string, soft: string, accent: string, bg: string, font: string}} Theme */

/**
 * @param {HTMLElement} root of the widget
 * @returns {Theme} the colours that the front end has now
 */
export function themeOf(root) {
  const style = getComputedStyle(root);
  const named = (/** @type {string} */ name) => style.getPropertyValue(`--embedl-${name}`).trim();
  return {
    fg: style.color,
    muted: named("muted"),
    line: named("line"),
    soft: named("soft"),
    accent: named("accent"),
    bg: named("bg"),
    font: `12px ${style.fontFamily}`,
  };
}

/**
 * Paint rows and their axis. The canvas' context is scaled to CSS pixels.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./layer_scene.js").LayerScene} scene
 * @param {{top: number, width: number, height: number, scroll: number, selected: number | null, isHatched: boolean}} box
 *     `top` is where the rows begin, `scroll` how far they are scrolled; the axis has the last of `height`.
 * @param {Theme} theme
 */
export function paintLayers(context, scene, box, theme) {
  const room = box.height - LAYER_AXIS_PX;
  const first = Math.max(0, Math.floor(box.scroll / LAYER_ROW_PX));
  const end = Math.min(scene.rows.length, Math.ceil((box.scroll + room) / LAYER_ROW_PX));
  const left = Math.min(LONGEST_LABEL_PX, Math.round(box.width * LABEL_SHARE));
  const right = Math.max(left + 40, box.width - TEXT_PX);
  const [low, high] = scene.range(first, end);
  const x = (/** @type {number} */ value) => left + ((value - low) / (high - low || 1)) * (right - left);
  const patterns = new Map();
  const fill = (/** @type {string} */ colour) => {
    if (!box.isHatched) return colour;
    if (!patterns.has(colour)) patterns.set(colour, hatched(context, colour));
    return patterns.get(colour);
  };

  context.save();
  context.font = theme.font;
  context.textBaseline = "middle";
  paintAxis(context, scene, { low, high, left, right, top: box.top, bottom: box.top + room, x }, theme);
  context.beginPath();
  context.rect(0, box.top, box.width, room);
  context.clip();
  for (let place = first; place < end; place += 1) {
    const row = scene.rows[place];
    const y = box.top + place * LAYER_ROW_PX - box.scroll;
    if (row.index === box.selected) {
      context.fillStyle = theme.soft;
      context.fillRect(0, y, box.width, LAYER_ROW_PX);
      context.fillStyle = theme.accent;
      context.fillRect(0, y, 3, LAYER_ROW_PX);
    }
    context.fillStyle = row.index === box.selected ? theme.fg : theme.muted;
    context.textAlign = "left";
    const label = `${row.name}  ${row.operator}`;
    const isShort = label.length < 200 && context.measureText(label).width <= left - 16;
    context.fillText(isShort ? label : shortened(context, row.name, left - 16), 8, y + LAYER_ROW_PX / 2);
    for (const bar of scene.bars(row)) {
      const height = bar.half === null ? LAYER_ROW_PX - 6 : (LAYER_ROW_PX - 6) / 2;
      context.fillStyle = fill(bar.colour);
      context.fillRect(x(bar.from), y + 3 + (bar.half ?? 0) * height, Math.max(1, x(bar.to) - x(bar.from)), height);
    }
    context.fillStyle = row.hasMoved || row.index === box.selected ? theme.fg : theme.muted;
    context.textAlign = "right";
    context.fillText(shortened(context, scene.text(row), TEXT_PX - 12), box.width - 6, y + LAYER_ROW_PX / 2);
  }
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./layer_scene.js").LayerScene} scene
 * @param {{low: number, high: number, left: number, right: number, top: number, bottom: number, x: (value: number) => number}} axis
 * @param {Theme} theme
 */
function paintAxis(context, scene, axis, theme) {
  const ticks = scene.lanes
    ? scene.lanes.map((name, place) => ({ at: place + 0.5, text: name, edge: place }))
    : ticksOf(axis.low, axis.high).map((value, _, [first, second]) => ({ at: value, text: scene.tick(value, second - first), edge: value }));
  context.textAlign = "center";
  for (const { at, text, edge } of ticks) {
    context.fillStyle = theme.line;
    context.fillRect(Math.round(axis.x(edge)), axis.top, 1, axis.bottom - axis.top);
    context.fillStyle = theme.muted;
    context.fillText(text, axis.x(at), axis.bottom + LAYER_AXIS_PX / 2);
  }
  context.fillStyle = theme.line;
  context.fillRect(0, axis.bottom, axis.right, 1);
}

/**
 * Paint all rows side by side: a column of pixels is the largest of the rows that it stands for.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./layer_scene.js").LayerScene} scene
 * @param {{top: number, width: number, height: number}} box
 * @param {Theme} theme
 */
export function paintOverview(context, scene, box, theme) {
  const count = scene.rows.length;
  const columns = Math.min(count, Math.floor(box.width));
  for (let column = 0; column < columns; column += 1) {
    const from = Math.floor((column * count) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * count) / columns));
    let most = scene.peak(scene.rows[from]);
    for (let place = from + 1; place < to; place += 1) {
      const peak = scene.peak(scene.rows[place]);
      if (peak.size > most.size) most = peak;
    }
    const height = Math.max(most.size ? 1 : 0, most.size * (box.height - 2));
    const x = (column / columns) * box.width;
    context.fillStyle = most.colour;
    context.fillRect(x, box.top + box.height - height, Math.max(1, box.width / columns - (columns < box.width / 3 ? 1 : 0)), height);
  }
  context.fillStyle = theme.line;
  context.fillRect(0, box.top + box.height - 1, box.width, 1);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @returns {CanvasPattern | string} for numbers that were not measured
 */
function hatched(context, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const own = /** @type {CanvasRenderingContext2D} */ (tile.getContext("2d"));
  own.fillStyle = colour;
  own.fillRect(0, 0, 6, 6);
  own.strokeStyle = "rgba(255,255,255,0.55)";
  own.beginPath();
  for (const shift of [-6, 0, 6]) {
    own.moveTo(shift, 6);
    own.lineTo(shift + 6, 0);
  }
  own.stroke();
  return context.createPattern(tile, "repeat") ?? colour;
}

/**
 * @param {number} low
 * @param {number} high
 * @returns {number[]} four or so round numbers in between
 */
function ticksOf(low, high) {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((each) => each * power >= rough) ?? 10) * power;
  const ticks = [];
  for (let place = Math.ceil(low / step); place * step <= high; place += 1) ticks.push(place * step);
  return ticks;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room px
 * @returns {string} the text, its middle left out where it is too long
 */
function shortened(context, text, room) {
  const width = context.measureText(text.slice(0, 400)).width;
  if (width <= room && text.length <= 400) return text;
  const kept = Math.max(4, Math.floor((Math.min(text.length, 400) * room) / width) - 1);
  const head = Math.floor(kept / 3);
  return `${text.slice(0, head)}…${text.slice(text.length - (kept - head))}`;
}
