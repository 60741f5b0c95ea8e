// The rows of a grid that are in the page: a handful of elements that are written anew for whatever comes into sight.
// Making elements is what costs while scrolling; a row that stays in sight is not touched, and rows stay in their order.

import { element } from "./frame.js";

export const GRID_ROW_PX = 30;

/**
 * @template Row
 * @typedef {object} Slot one element, and what it shows now
 * @property {HTMLElement} line
 * @property {HTMLElement[]} cells
 * @property {number} index
 * @property {Row | undefined} row
 */

/**
 * @template Row
 * @param {object} options
 * @param {HTMLElement} options.rowGroup
 * @param {(index: number) => string} options.rowId
 * @param {(row: Row) => boolean} options.isSelected
 */
export function createRows({ rowGroup, rowId, isSelected }) {
  /** @type {Slot<Row>[]} in the order of the page */
  let slots = [];
  /** @type {Slot<Row>[]} out of the page, to be used again */
  let spare = [];
  /** @type {import("./grid.js").Column<Row>[]} */
  let columns = [];

  /** @returns {Slot<Row>} */
  function madeSlot() {
    const cells = columns.map((column, place) =>
      element("div", { role: "gridcell", class: column.isNumber ? "embedl-number" : "", "aria-colindex": place + 1 }));
    return { line: element("div", { role: "row", class: "embedl-row" }, ...cells), cells, index: -1, row: undefined };
  }

  /**
   * @param {Slot<Row>} slot
   * @param {number} index
   */
  function move(slot, index) {
    slot.index = index;
    slot.line.id = rowId(index);
    slot.line.setAttribute("aria-rowindex", String(index + 2));
    slot.line.setAttribute("data-index", String(index));
    slot.line.style.top = `${index * GRID_ROW_PX}px`;
  }

  /**
   * @param {Slot<Row>} slot
   * @param {Row} row
   */
  function write(slot, row) {
    slot.row = row;
    const chosen = isSelected(row) ? "true" : "false";
    if (slot.line.getAttribute("aria-selected") !== chosen) slot.line.setAttribute("aria-selected", chosen);
    columns.forEach((column, place) => {
      const cell = slot.cells[place];
      if (cell.hasAttribute("title")) cell.removeAttribute("title");
      if (column.draw) {
        cell.className = column.isNumber ? "embedl-number" : "";
        cell.replaceChildren();
        column.draw(row, cell);
      } else {
        writeText(cell, column.text ? column.text(row) : String(column.value(row) ?? ""));
      }
    });
  }

  /**
   * Give each place its element: its own where it is in the page, else one that nobody needs any more.
   *
   * @param {number[]} places ascending
   * @returns {Slot<Row>[]}
   */
  function arranged(places) {
    const own = new Map(slots.map((slot) => [slot.index, slot]));
    const wanted = new Set(places);
    const idle = slots.filter((slot) => !wanted.has(slot.index));
    let next = /** @type {ChildNode | null} */ (rowGroup.firstChild);
    const isIdle = new Set(idle.map((slot) => /** @type {ChildNode} */ (slot.line)));
    const made = places.map((index) => {
      const slot = own.get(index);
      if (slot) {
        while (next !== slot.line) next = /** @type {ChildNode} */ (next).nextSibling;
        next = slot.line.nextSibling;
        return slot;
      }
      // The one that stands here already, else any: then it moves.
      const here = next && isIdle.has(next) ? idle.findIndex((each) => each.line === next) : idle.length - 1;
      const free = idle.splice(here, 1)[0] ?? spare.pop() ?? madeSlot();
      isIdle.delete(free.line);
      if (free.line === next) next = next.nextSibling;
      else rowGroup.insertBefore(free.line, next);
      move(free, index);
      free.row = undefined;
      return free;
    });
    for (const slot of idle) slot.line.remove();
    spare.push(...idle);
    return made;
  }

  return {
    /**
     * Show these rows and no others.
     *
     * @param {Row[]} rows all of them
     * @param {number[]} places of those that are to be in the page, ascending
     * @param {{active: number, isOld: boolean}} state `isOld`: write also those that stay where they are
     */
    show(rows, places, { active, isOld }) {
      slots = arranged(places);
      for (const slot of slots) {
        if (isOld || slot.row !== rows[slot.index]) write(slot, rows[slot.index]);
        slot.line.classList.toggle("embedl-active", slot.index === active);
      }
    },

    /** @param {import("./grid.js").Column<Row>[]} next another number of cells: everything is made anew */
    setColumns(next) {
      columns = next;
      slots = [];
      spare = [];
      rowGroup.replaceChildren();
    },
  };
}

/**
 * @param {HTMLElement} cell
 * @param {string} text
 */
function writeText(cell, text) {
  const node = cell.firstChild;
  if (!node) cell.append(text);
  else if (/** @type {Text} */ (node).data !== text) /** @type {Text} */ (node).data = text;
}
