// The waterfall of the layer explorer: all rows as a skyline, and those in sight as bars. One canvas each, as large as
// what is seen, so that thousands of rows scroll as a dozen does.

import { element } from "./frame.js";
import { LAYER_AXIS_PX, LAYER_ROW_PX, paintLayers, paintOverview, themeOf } from "./layer_paint.js";

const OVERVIEW_PX = 44;

/**
 * @param {object} options
 * @param {(index: number) => void} options.onSelect a click, or the arrow keys
 * @param {boolean} options.isHatched whether the numbers were not measured
 */
export function createLayerChart(options) {
  const overview = /** @type {HTMLCanvasElement} */ (element("canvas", { "aria-hidden": "true" }));
  const mark = element("div", { class: "embedl-window", "aria-hidden": "true" });
  const sky = element("div", { class: "embedl-sky", title: "All layers in the order they ran: click to go there" }, overview, mark);
  const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { "aria-hidden": "true" }));
  const spacer = element("div", { class: "embedl-spacer" });
  const scroller = element("div", { class: "embedl-waterfall", tabindex: 0, role: "group" }, canvas, spacer);
  const outer = element("div", { class: "embedl-chart" }, sky, scroller);

  /** @type {import("./layer_scene.js").LayerScene | null} */
  let scene = null;
  /** @type {number | null} */
  let selected = null;
  let frameId = 0;
  let isSkyOld = true;

  const drawSoon = () => {
    if (!frameId) frameId = requestAnimationFrame(draw);
  };

  function draw() {
    frameId = 0;
    const width = scroller.clientWidth;
    const height = scroller.clientHeight;
    if (!scene || !width || !height) return;
    const theme = themeOf(outer);
    const box = { top: 0, width, height, scroll: scroller.scrollTop, selected, isHatched: options.isHatched };
    paintLayers(fitted(canvas, width, height), scene, box, theme);
    const skyWidth = sky.clientWidth;
    if (isSkyOld) paintOverview(fitted(overview, skyWidth, OVERVIEW_PX), scene, { top: 0, width: skyWidth, height: OVERVIEW_PX }, theme);
    isSkyOld = false;
    const all = scene.rows.length * LAYER_ROW_PX || 1;
    const room = height - LAYER_AXIS_PX;
    mark.hidden = all <= room;
    mark.style.left = `${(scroller.scrollTop / all) * 100}%`;
    mark.style.width = `max(4px, ${Math.min(1, room / all) * 100}%)`;
  }

  /** @param {number} place of the row */
  function show(place) {
    const room = scroller.clientHeight - LAYER_AXIS_PX;
    const top = place * LAYER_ROW_PX;
    if (top >= scroller.scrollTop && top + LAYER_ROW_PX <= scroller.scrollTop + room) return;
    scroller.scrollTop = top - (room - LAYER_ROW_PX) / 2;
  }

  const placeOf = (/** @type {number | null} */ index) => scene?.rows.findIndex((row) => row.index === index) ?? -1;

  scroller.addEventListener("scroll", drawSoon, { passive: true });
  scroller.addEventListener("click", (event) => {
    const y = event.clientY - scroller.getBoundingClientRect().top;
    const row = y <= scroller.clientHeight - LAYER_AXIS_PX && scene?.rows[Math.floor((y + scroller.scrollTop) / LAYER_ROW_PX)];
    if (row) options.onSelect(row.index);
  });
  scroller.addEventListener("keydown", (event) => {
    const last = (scene?.rows.length ?? 0) - 1;
    const place = placeOf(selected);
    const page = Math.max(1, Math.floor((scroller.clientHeight - LAYER_AXIS_PX) / LAYER_ROW_PX) - 1);
    /** @type {Record<string, number>} */
    const goals = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + page, PageUp: place - page, Home: 0, End: last };
    if (last < 0 || !(event.key in goals) || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const row = scene?.rows[Math.max(0, Math.min(last, goals[event.key]))];
    if (row) options.onSelect(row.index);
  });
  const goTo = (/** @type {MouseEvent} */ event) => {
    const box = sky.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * (scene?.rows.length ?? 0));
    scroller.scrollTop = place * LAYER_ROW_PX - scroller.clientHeight / 2;
  };
  sky.addEventListener("pointerdown", (event) => {
    sky.setPointerCapture(event.pointerId);
    goTo(event);
  });
  sky.addEventListener("pointermove", (event) => {
    if (event.buttons) goTo(event);
  });

  const drawAll = () => {
    isSkyOld = true;
    drawSoon();
  };
  const sizes = new ResizeObserver(drawAll);
  sizes.observe(scroller);
  // A theme is changed at the page's root; a canvas does not follow by itself.
  const themes = new MutationObserver(() => setTimeout(drawAll));
  for (const root of [document.documentElement, document.body]) themes.observe(root, { attributes: true });

  return {
    element: outer,

    /**
     * @param {import("./layer_scene.js").LayerScene} next
     * @param {string} label what a screen reader calls it
     */
    setScene(next, label) {
      scene = next;
      scroller.setAttribute("aria-label", label);
      spacer.style.height = `${next.rows.length * LAYER_ROW_PX + LAYER_AXIS_PX}px`;
      drawAll();
    },

    /** @param {number | null} index its row is brought into sight */
    select(index) {
      selected = index;
      const place = placeOf(index);
      if (place >= 0) show(place);
      drawSoon();
    },

    /** @returns {{scroll: number, height: number}} what is in sight */
    sight: () => ({ scroll: scroller.scrollTop, height: scroller.clientHeight }),

    end: () => {
      sizes.disconnect();
      themes.disconnect();
      cancelAnimationFrame(frameId);
    },
  };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width CSS px
 * @param {number} height CSS px
 * @returns {CanvasRenderingContext2D} empty, and as sharp as the screen
 */
function fitted(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
