// The layer explorer: a waterfall, a table and a detail of the same rows; what is selected in one is in all of them.

import { element, frame, save, say, searchBox, whenQuiet } from "./frame.js";
import { createGrid, sorted } from "./grid.js";
import { createLayerChart } from "./layer_chart.js";
import { layersAsCsv, layersAsPng } from "./layer_export.js";
import { themeOf } from "./layer_paint.js";
import { LAYER_METRICS, layerChange, layerDetails, layerRows, layerText, layerValue, msText, signedText, unitText } from "./layer_rows.js";
import { layerScene } from "./layer_scene.js";

const SAVE_AFTER_MS = 400;

/** @typedef {import("./layer_rows.js").LayerRow} LayerRow */

/**
 * The columns of the table; of two results those of the metric that is chosen.
 *
 * @param {any} layers the kernel's trait
 * @param {() => import("./layer_rows.js").LayerMetric} metric
 * @returns {import("./grid.js").Column<LayerRow>[]}
 */
function layerColumns(layers, metric) {
  const isPair = layers.names.length === 2;
  const known = LAYER_METRICS.filter((each) => each.key !== "unit" && !(each.reasonKey && layers.missing[each.reasonKey]));
  /** @type {import("./grid.js").Column<LayerRow>[]} */
  const common = [
    { key: "index", title: "#", width: 56, isNumber: true, value: (row) => row.index },
    { key: "name", title: "Layer", width: 210, value: (row) => row.name },
    { key: "operator", title: "Operator", width: 140, isOptional: true, value: (row) => row.operator },
    {
      key: "unit",
      title: "Unit",
      width: isPair ? 100 : 60,
      value: unitText,
      draw: (row, cell) => {
        cell.textContent = unitText(row);
        if (row.hasMoved) cell.classList.add("embedl-moved");
      },
    },
  ];
  if (!isPair) {
    const numbers = known.map((each) => ({
      key: each.key,
      title: each.key === "error" ? "Error" : each.title,
      width: 88,
      isNumber: true,
      isOptional: each.key !== "time",
      value: (/** @type {LayerRow} */ row) => layerValue(row, 0, each),
      text: (/** @type {LayerRow} */ row) => formatted(layerValue(row, 0, each), each),
    }));
    const share = (/** @type {LayerRow} */ row) => row.sides[0]?.share ?? null;
    return [
      ...common,
      ...numbers,
      { key: "share", title: "Share", width: 70, isNumber: true, isOptional: true, value: share, text: (row) => `${(100 * (share(row) ?? 0)).toFixed(1)} %` },
      { key: "kernel", title: "Kernel", width: 190, isOptional: true, value: (row) => row.sides[0]?.kernel },
    ];
  }
  const side = (/** @type {number} */ place) => ({
    key: ["first", "second"][place],
    title: ["First", "Second"][place],
    width: 88,
    isNumber: true,
    isOptional: true,
    value: (/** @type {LayerRow} */ row) => layerValue(row, place, metric()),
    text: (/** @type {LayerRow} */ row) => formatted(layerValue(row, place, metric()), metric()),
  });
  return [...common, side(0), side(1), {
    key: "change",
    title: "Change",
    width: 96,
    isNumber: true,
    value: (row) => layerChange(row, metric()),
    text: (row) => {
      const change = layerChange(row, metric());
      return change === null ? "" : signedText(change, metric());
    },
  }];
}

/**
 * @param {number | null} value
 * @param {import("./layer_rows.js").LayerMetric} metric
 */
function formatted(value, metric) {
  return value === null ? "" : metric.format(value);
}

/**
 * What the colours mean, with what each stands for in all.
 *
 * @param {any} layers
 * @param {LayerRow[]} rows
 * @param {import("./layer_rows.js").LayerMetric} metric
 * @returns {{colour: string, text: string}[]}
 */
function layerLegend(layers, rows, metric) {
  if (layers.names.length === 2 && metric.key !== "unit") {
    const words = metric.key === "time" ? ["faster in the second", "slower in the second"] : ["first", "second"];
    return words.map((text, place) => ({ colour: layers.changeColours[place], text }));
  }
  return Object.entries(layers.colours).map(([unit, colour]) => {
    const totals = layers.names.map((/** @type {string} */ _, /** @type {number} */ place) =>
      rows.reduce((sum, row) => sum + (row.sides[place]?.unit === unit ? row.sides[place]?.mean ?? 0 : 0), 0));
    return { colour: String(colour), text: `${unit} ${totals.map(msText).join(" → ")}` };
  });
}

/** @param {{colour: string, text: string}} entry of the legend */
function legendItem({ colour, text }) {
  const chip = element("span", { class: "embedl-chip", "aria-hidden": "true" });
  chip.style.background = colour;
  return element("li", {}, chip, text);
}

/**
 * @param {{model: import("./frame.js").Model, el: HTMLElement}} context
 */
function render({ model, el }) {
  const { body, listen, end } = frame(model, el, "Layer explorer");
  const layers = model.get("_layers");
  const rows = layerRows(layers);
  const isPair = layers.names.length === 2;
  const isHatched = layers.provenance !== "";
  /** @type {Record<string, any>} */
  let query = { ...model.get("_query") };
  /** @type {number | null} */
  let selected = null;
  /** @type {LayerRow[]} in the order they ran */
  let fitting = rows;
  /** @type {LayerRow[]} in the order of the table */
  let listed = rows;

  const metric = () => LAYER_METRICS.find((each) => each.key === query.metric) ?? LAYER_METRICS[0];
  const reasonOf = (/** @type {import("./layer_rows.js").LayerMetric} */ each) =>
    each.reasonKey ? layers.missing[each.reasonKey] : undefined;

  const search = searchBox({
    label: "Search layers",
    placeholder: `Search ${rows.length.toLocaleString("en")} layers: conv, features.3, gpu`,
    search: (words) => setQuery({ search: words }),
    leave: () => grid.focus(),
  });
  const metricSelect = /** @type {HTMLSelectElement} */ (element(
    "select",
    { "aria-label": "Metric", change: () => setQuery({ metric: metricSelect.value }) },
    ...LAYER_METRICS.map((each) =>
      element("option", { value: each.key, disabled: Boolean(reasonOf(each)) }, each.title + (reasonOf(each) ? " (not known)" : ""))),
  ));
  const moved = /** @type {HTMLInputElement} */ (element("input", {
    type: "checkbox",
    change: () => setQuery({ isMoved: moved.checked }),
  }));
  const numMoved = rows.filter((row) => row.hasMoved).length;
  const totals = layers.names.map((/** @type {string} */ name, /** @type {number} */ place) => `${name} ${msText(layers.totals[place])}`);
  const title = totals.join(" → ") + (layers.provenance ? ` (${layers.provenance}, not measured)` : "");
  const legend = element("ul", { class: "embedl-legend", "aria-label": "Colours" });
  const count = element("p", { role: "status" });
  const announced = element("p", { class: "embedl-unseen", role: "status" });
  const details = element("div", { class: "embedl-layer-details", role: "group", "aria-label": "Selected layer", tabindex: 0 });
  /** @type {Map<string, string[]>} metrics by the reason why they are not known */
  const unknown = new Map();
  for (const each of LAYER_METRICS) {
    const reason = reasonOf(each);
    if (reason) unknown.set(reason, [...(unknown.get(reason) ?? []), each.title]);
  }

  const chart = createLayerChart({ onSelect: select, isHatched });
  const columns = layerColumns(layers, metric);
  const grid = createGrid({
    label: "Layers",
    columns,
    id: (row) => String(row.index),
    isSelected: (row) => row.index === selected,
    onSelect: (row) => select(row.index),
    onActive: (row) => row && select(row.index),
    onSort: (sort) => {
      setQuery({ sort });
      grid.toTop();
    },
    emptyText: "No layer fits. Search for fewer words.",
  });
  const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ click) =>
    element("button", { type: "button", "aria-label": label, click }, text);

  body.append(
    element("div", { class: "embedl-bar" }, element("p", { class: "embedl-title" }, title), legend),
    element(
      "div",
      { class: "embedl-bar" },
      element("label", { class: "embedl-metric" }, "Metric", metricSelect),
      search,
      numMoved ? element("label", { class: "embedl-metric" }, moved, `Changed unit (${numMoved})`) : null,
      button("CSV", "Save the table as CSV", saveCsv),
      button("PNG", "Save the waterfall as PNG", savePng),
    ),
    element("div", { class: "embedl-panes" }, chart.element, details),
    grid.element,
    element("div", { class: "embedl-bar embedl-foot" }, count),
    ...[...unknown].map(([reason, titles]) => element("p", { class: "embedl-reason" }, `${titles.join(", ")} not known: ${reason}`)),
    announced,
  );

  const saveLater = whenQuiet(() => {
    model.set("_query", query);
    model.save_changes();
  }, SAVE_AFTER_MS);

  /** @param {Record<string, any>} change */
  function setQuery(change) {
    query = { ...query, ...change };
    show();
    saveLater();
  }

  /** Put the controls where the query says, and show what fits. */
  function show() {
    if (search.value !== (query.search ?? "")) search.value = query.search ?? "";
    metricSelect.value = metric().key;
    moved.checked = Boolean(query.isMoved);
    const words = String(query.search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    fitting = rows.filter((row) => (!query.isMoved || row.hasMoved) && words.every((word) => row.words.includes(word)));
    listed = sorted(fitting, columns, query.sort ?? null);
    grid.setSort(query.sort ?? null);
    grid.setRows(listed);
    const what = isPair && metric().key === "time" ? "from the first time to the second" : metric().definition;
    chart.setScene(layerScene(fitting, metric(), layers), `${metric().title} of ${fitting.length} layers, ${what}; arrow keys select`);
    legend.replaceChildren(...layerLegend(layers, rows, metric()).map(legendItem));
    const all = fitting.length === rows.length ? "" : `${fitting.length.toLocaleString("en")} of `;
    say(count, `${all}${rows.length.toLocaleString("en")} ${isPair ? "rows" : "layers"} · ${metric().title.toLowerCase()}: ${what}`);
    showSelected();
  }

  /** @param {number | null} index */
  function select(index) {
    if (index === selected) return;
    selected = index;
    showSelected();
    if (model.get("selected") === index) return;
    model.set("selected", index);
    model.save_changes();
  }

  function showSelected() {
    const row = selected === null ? null : rows[selected];
    chart.select(selected);
    if (row) grid.activate(String(row.index));
    grid.redraw();
    details.replaceChildren(row ? layerDetails(row, layers.missing) : element("p", {}, "Select a layer in the waterfall or in the table."));
    if (row) say(announced, `${row.name}, ${row.operator}: ${layerText(row, metric())}`);
  }

  const fileName = (/** @type {string} */ ending) =>
    `layers-${layers.names.join("-").replace(/[^\w.-]+/g, "_").slice(0, 80)}.${ending}`;

  function saveCsv() {
    save(new Blob([layersAsCsv(listed, layers.names)], { type: "text/csv" }), fileName("csv"));
  }

  async function savePng() {
    const legendEntries = layerLegend(layers, rows, metric());
    const what = { title: `${title} · ${metric().title}`, legend: legendEntries, selected, isHatched, sight: chart.sight() };
    save(await layersAsPng(layerScene(fitting, metric(), layers), what, themeOf(body)), fileName("png"));
  }

  listen("change:selected", () => select(model.get("selected") ?? null));
  listen("change:_query", () => {
    if (JSON.stringify(model.get("_query")) === JSON.stringify(query)) return;
    query = { ...model.get("_query") };
    show();
  });
  selected = model.get("selected") ?? null;
  show();

  return () => {
    saveLater.now();
    chart.end();
    grid.end();
    end();
  };
}

export default { render };
