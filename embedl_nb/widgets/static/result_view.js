// What a result says of itself, drawn from plain data: every text stays text, and a picture is made of shapes only.

import { element } from "./frame.js";

/**
 * @typedef {object} ResultTable
 * @property {string} title
 * @property {string[]} columns
 * @property {string[]} numeric
 * @property {string[][]} rows
 * @property {number} numMore
 * @property {string} note
 *
 * @typedef {object} ResultView
 * @property {string} headline
 * @property {string} provenance
 * @property {string[][]} facts
 * @property {string[]} warnings
 * @property {ResultTable[]} tables
 * @property {string} unknown
 * @property {string} nextStep
 */

/**
 * @param {ResultView} view
 * @param {Element[]} [pictures] drawn between the facts and the tables
 * @returns {HTMLElement}
 */
export function resultView(view, pictures = []) {
  const closing = view.unknown || view.nextStep;
  return element(
    "div",
    { class: "embedl-result" },
    element("p", { class: "embedl-headline" }, view.headline, view.provenance && element("span", { class: "embedl-tag" }, view.provenance)),
    ...view.warnings.map((sentence) => element("p", { class: "embedl-warning" }, sentence)),
    view.facts.length > 0 && element("dl", {}, ...view.facts.flatMap(([label, value]) => [element("dt", {}, label), element("dd", {}, value)])),
    ...pictures,
    ...view.tables.map(foldedTable),
    closing && element("p", { class: "embedl-closing" }, view.unknown, view.unknown ? " " : "", view.nextStep && element("code", {}, view.nextStep)),
  );
}

/** @param {ResultTable} table */
function foldedTable(table) {
  const kind = (/** @type {string} */ column) => (table.numeric.includes(column) ? "embedl-number" : null);
  const { columns } = table;
  const more = table.numMore ? `${table.numMore.toLocaleString("en")} more rows` : "";
  return element(
    "details",
    {},
    element("summary", {}, table.title),
    element(
      "div",
      { class: "embedl-scroll", tabindex: 0, role: "group", "aria-label": table.title },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...columns.map((column) => element("th", { scope: "col", class: kind(column) }, column)))),
        element(
          "tbody",
          {},
          ...table.rows.map((row) => element("tr", {}, ...row.map((cell, place) => element("td", { class: kind(columns[place]) }, cell)))),
        ),
      ),
    ),
    (table.note || more) && element("p", { class: "embedl-closing" }, [more, table.note].filter(Boolean).join("; ")),
  );
}

/** @param {{message: string, hint: string}} error */
export function failure({ message, hint }) {
  return element(
    "div",
    { class: "embedl-failure" },
    element("p", {}, element("b", {}, "Error "), message),
    hint && element("p", {}, "Try: ", element("code", {}, hint)),
  );
}

const DRAWN = new Set(["svg", "g", "rect", "path", "line", "circle", "text", "tspan", "title", "desc"]);
const PLACED = /^(?:class|id|role|aria-labelledby|viewBox|width|height|x\d?|y\d?|c[xy]|r[xy]?|d|fill|opacity|transform|text-anchor|(?:fill|stroke|font)[a-z-]*)$/;

/**
 * Draw a picture of the kernel's into the page, whose colour it then takes: shapes and words only, whatever else is in
 * it is left out.
 *
 * @param {string} svg a document
 * @returns {SVGElement}
 */
export function svgPicture(svg) {
  const copied = (/** @type {Element} */ from) => {
    const made = /** @type {SVGElement} */ (document.createElementNS(from.namespaceURI, from.localName));
    for (const { name, value } of from.attributes) if (PLACED.test(name)) made.setAttribute(name, value);
    for (const child of from.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) made.append(child.textContent ?? "");
      else if (child instanceof Element && DRAWN.has(child.localName)) made.append(copied(child));
    }
    return made;
  };
  const picture = copied(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement);
  picture.classList.add("embedl-picture");
  return picture;
}

/**
 * @param {string[]} svgs documents, one below the other
 * @param {HTMLElement} place whose colours they take
 * @returns {Promise<Blob>} a PNG of twice their size
 */
export async function asPng(svgs, place) {
  const { color, backgroundColor } = getComputedStyle(place);
  const style = `<style>svg{color:${color};background:${backgroundColor}}</style>`;
  const pictures = await Promise.all(svgs.map(async (svg) => {
    const picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.replace(/<style>[^<]*<\/style>/, style))}`;
    await picture.decode();
    return picture;
  }));
  const scale = 2;
  const canvas = document.createElement("canvas");
  canvas.width = scale * Math.max(...pictures.map((picture) => picture.naturalWidth));
  canvas.height = scale * pictures.reduce((sum, picture) => sum + picture.naturalHeight, 0);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(scale, scale);
  let top = 0;
  for (const picture of pictures) {
    context.drawImage(picture, 0, top);
    top += picture.naturalHeight;
  }
  return new Promise((done, failed) => {
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the browser made no picture"))), "image/png");
  });
}
