// A table of thousands of rows of which only those in sight are in the page. Keyboard first: arrows, Page Up and Down,
// Home and End move, Space and Enter pick, and a click does both. It shows rows in the order in which it is given them.

import { element, freshId } from "./frame.js";
import { GRID_ROW_PX, createRows } from "./grid_rows.js";

const ROWS_BEYOND = 6;

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {number} width least width in px; wider columns take more of what is left
 * @property {boolean} [isOptional] left out where there is no room, the last one first
 * @property {boolean} [isNumber] aligned right
 * @property {(row: Row) => string | number | null | undefined} value what is sorted by, and shown unless there is one of those below
 * @property {(row: Row) => string} [text] what is shown
 * @property {(row: Row, cell: HTMLElement) => void} [draw] where text is not enough, which is slower; the cell is empty
 */

/** @typedef {{key: string, isDescending: boolean} | null} Sort */

/**
 * Sort rows by a column; what is unknown comes last either way.
 *
 * @template Row
 * @param {Row[]} rows
 * @param {Column<Row>[]} columns
 * @param {Sort} sort
 * @returns {Row[]} a new list
 */
export function sorted(rows, columns, sort) {
  const column = sort && columns.find((each) => each.key === sort.key);
  if (!sort || !column) return [...rows];
  const direction = sort.isDescending ? -1 : 1;
  const { compare } = new Intl.Collator("en", { numeric: true });
  const isUnknown = (/** @type {any} */ value) => value === null || value === undefined || value === "";
  return rows
    .map((row) => ({ row, value: column.value(row) }))
    .sort((a, b) => {
      if (isUnknown(a.value) || isUnknown(b.value)) return Number(isUnknown(a.value)) - Number(isUnknown(b.value));
      if (typeof a.value === "number" && typeof b.value === "number") return direction * (a.value - b.value);
      return direction * compare(String(a.value), String(b.value));
    })
    .map((each) => each.row);
}

/**
 * @template Row
 * @param {object} options
 * @param {string} options.label what a screen reader calls the table
 * @param {Column<Row>[]} options.columns
 * @param {(row: Row) => string} options.id
 * @param {(row: Row) => boolean} options.isSelected
 * @param {(row: Row, event: Event) => void} options.onSelect Space, Enter or a click on a row
 * @param {(row: Row | null) => void} [options.onActive] the row that the keyboard or a click went to
 * @param {(sort: Sort) => void} options.onSort a click on a header: up, down, as it was
 * @param {boolean} [options.isMultiple] whether several rows can be selected
 * @param {string} [options.emptyText] shown where there is no row
 */
export function createGrid(options) {
  const { columns, id, isSelected, isMultiple = false } = options;
  const gridId = freshId();
  const head = element("div", { role: "row", class: "embedl-row embedl-head-row", "aria-rowindex": 1 });
  const rowGroup = element("div", { role: "rowgroup", class: "embedl-rows" });
  const empty = element("p", { class: "embedl-empty", hidden: true }, options.emptyText ?? "Nothing fits.");
  const grid = element(
    "div",
    {
      role: "grid",
      class: "embedl-grid",
      tabindex: 0,
      "aria-label": options.label,
      "aria-multiselectable": isMultiple ? "true" : null,
    },
    element("div", { role: "rowgroup", class: "embedl-head" }, head),
    rowGroup,
  );
  const outer = element("div", { class: "embedl-grid-outer" }, grid, empty);

  /** @type {Row[]} */
  let rows = [];
  /** @type {Column<Row>[]} */
  let shown = [];
  /** @type {Sort} */
  let sort = null;
  let active = -1;
  let height = 0;

  const rowId = (/** @type {number} */ index) => `${gridId}-${index}`;
  const lines = createRows({ rowGroup, rowId, isSelected });

  function drawHead() {
    const cells = shown.map((column, place) => {
      const isSorted = sort !== null && sort.key === column.key;
      const order = isSorted ? (sort?.isDescending ? "descending" : "ascending") : "none";
      const mark = { ascending: "▲", descending: "▼", none: "" }[order];
      const button = element(
        "button",
        { type: "button", click: () => options.onSort(nextSort(column)) },
        column.title,
        element("span", { "aria-hidden": "true", class: "embedl-sort" }, mark),
      );
      return element(
        "div",
        {
          role: "columnheader",
          class: column.isNumber ? "embedl-number" : null,
          "aria-sort": order,
          "aria-colindex": place + 1,
        },
        button,
      );
    });
    const focused = [...head.children].findIndex((cell) => cell.contains(document.activeElement));
    head.replaceChildren(...cells);
    if (focused >= 0) cells[focused]?.querySelector("button")?.focus();
  }

  /**
   * @param {Column<Row>} column
   * @returns {Sort}
   */
  function nextSort(column) {
    if (sort?.key !== column.key) return { key: column.key, isDescending: false };
    return sort.isDescending ? null : { key: column.key, isDescending: true };
  }

  /** @param {boolean} [isOld] whether rows that are in the page already are written anew, too */
  function draw(isOld = true) {
    const top = Math.floor(grid.scrollTop / GRID_ROW_PX);
    const end = Math.min(rows.length, top + Math.ceil(height / GRID_ROW_PX) + ROWS_BEYOND + 1);
    const first = Math.max(0, Math.min(top - ROWS_BEYOND, end));
    const places = Array.from({ length: end - first }, (_, place) => first + place);
    // The active row stays in the page wherever one scrolls: a screen reader is there.
    if (active >= 0 && active < first) places.unshift(active);
    if (active >= end && active < rows.length) places.push(active);
    lines.show(rows, places, { active, isOld });
    if (active >= 0) grid.setAttribute("aria-activedescendant", rowId(active));
    else grid.removeAttribute("aria-activedescendant");
  }

  /** Leave out columns until the rest fits. */
  function fit() {
    const room = grid.clientWidth;
    let fitting = columns;
    const total = (/** @type {Column<Row>[]} */ some) => some.reduce((sum, each) => sum + each.width, 0);
    while (room > 0 && total(fitting) > room) {
      const last = fitting.findLast((each) => each.isOptional);
      if (!last) break;
      fitting = fitting.filter((each) => each !== last);
    }
    const wasHidden = !height;
    height = grid.clientHeight;
    if (wasHidden) bringToSight(); // it could not be scrolled before
    if (fitting.length === shown.length) draw(false);
    else setColumns(fitting);
  }

  /** @param {Column<Row>[]} next */
  function setColumns(next) {
    shown = next;
    grid.style.setProperty("--embedl-columns", shown.map((each) => `minmax(${each.width}px, ${each.width}fr)`).join(" "));
    grid.setAttribute("aria-colcount", String(shown.length));
    lines.setColumns(shown);
    drawHead();
    draw();
  }

  function bringToSight() {
    if (active < 0 || !height) return;
    const top = active * GRID_ROW_PX;
    const room = height - GRID_ROW_PX; // the header stays in sight
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + GRID_ROW_PX > grid.scrollTop + room) grid.scrollTop = top + GRID_ROW_PX - room;
  }

  /** @param {number} index */
  function setActive(index) {
    active = index;
    bringToSight();
    draw(false);
    options.onActive?.(rows[active] ?? null);
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.target !== grid || !rows.length || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(height / GRID_ROW_PX) - 2);
    const last = rows.length - 1;
    /** @type {Record<string, number>} */
    const goals = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page };
    Object.assign(goals, { Home: 0, End: last });
    if (event.key in goals) setActive(Math.max(0, Math.min(last, goals[event.key])));
    else if ((event.key === " " || event.key === "Enter") && rows[active]) options.onSelect(rows[active], event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  grid.addEventListener("keydown", onKey);
  grid.addEventListener("scroll", () => draw(false), { passive: true });
  grid.addEventListener("focus", () => {
    // A click has a row of its own to go to.
    if (active < 0 && rows.length && grid.matches(":focus-visible")) setActive(0);
  });
  rowGroup.addEventListener("pointerover", ({ target }) => {
    const cell = /** @type {HTMLElement} */ (target).closest("[role=gridcell]");
    if (cell && !cell.hasAttribute("title")) cell.setAttribute("title", cell.textContent ?? "");
  });
  rowGroup.addEventListener("click", (event) => {
    const clicked = /** @type {HTMLElement} */ (event.target).closest("[data-index]");
    const row = clicked && rows[Number(clicked.getAttribute("data-index"))];
    if (!row) return;
    setActive(Number(clicked.getAttribute("data-index")));
    options.onSelect(row, event);
  });
  setColumns(columns);
  const sizes = new ResizeObserver(fit);
  sizes.observe(grid);

  return {
    element: outer,

    /**
     * Show these rows. The active one stays active while it is among them.
     *
     * @param {Row[]} next
     */
    setRows(next) {
      const before = rows[active] === undefined ? null : id(rows[active]);
      rows = next;
      active = before === null ? -1 : rows.findIndex((row) => id(row) === before);
      rowGroup.style.height = `${rows.length * GRID_ROW_PX}px`;
      grid.setAttribute("aria-rowcount", String(rows.length + 1));
      empty.hidden = rows.length > 0;
      if (active < 0) grid.scrollTop = 0;
      draw();
      if (active < 0) options.onActive?.(null);
    },

    /** @param {Sort} next */
    setSort(next) {
      sort = next;
      drawHead();
    },

    /** Draw again what is in sight: what is selected has changed. */
    redraw: () => draw(),

    /**
     * Go to a row, as the keyboard does.
     *
     * @param {string} wanted its id
     */
    activate(wanted) {
      const index = rows.findIndex((row) => id(row) === wanted);
      if (index >= 0 && index !== active) setActive(index);
    },

    toTop: () => {
      grid.scrollTop = 0;
    },
    focus: () => grid.focus(),
    end: () => sizes.disconnect(),
  };
}
