"""What a report's page does by script: draws its figures, sorts its tables, makes itself fit for paper.

Without it the page still holds everything: a still picture of each figure, and its tables as they are.
"""

from __future__ import annotations

from embedl_nb.display.markup import Markup

__all__ = ["DRAW", "SORT"]

# Data is read as text and parsed as JSON: nothing of a result is ever run.
DRAW = Markup("""
const charts = [];
const dark = matchMedia("(prefers-color-scheme: dark)");
const ink = () => getComputedStyle(document.body).color;
for (const data of document.querySelectorAll('script[type="application/json"]')) {
  const figure = JSON.parse(data.textContent);
  figure.layout.font = {...figure.layout.font, color: ink()};
  const chart = document.getElementById(data.dataset.target);
  charts.push({chart, height: figure.layout.height});
  Plotly.newPlot(chart, figure.data, figure.layout, {responsive: true, displaylogo: false, showSendToCloud: false});
}
const recolour = () => charts.forEach(({chart}) => Plotly.relayout(chart, {"font.color": ink()}));
dark.addEventListener("change", recolour);
// Paper is white, and no chart may be cut at its edge or at the end of a page: the style shrinks what is laid out here.
addEventListener("beforeprint", () => charts.forEach(({chart, height}) =>
  Plotly.relayout(chart, {"font.color": "#1f2328", width: 900, height: Math.min(height, 1180)})));
addEventListener("afterprint", () => charts.forEach(({chart, height}) =>
  Plotly.relayout(chart, {"font.color": ink(), width: null, height, autosize: true})));
""")

# Headers become buttons, so that what sorts by mouse sorts by keyboard; aria-sort tells it to a screen reader.
SORT = Markup("""
const units = {"µs": 1e-3, us: 1e-3, ms: 1, s: 1e3, min: 6e4, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30,
  k: 1e3, M: 1e6, G: 1e9};
const number = text => {
  const found = text.replaceAll(",", "").match(/([-+]?\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?)\\s*(\\S*)/);
  return found ? Number(found[1]) * (units[found[2]] ?? 1) : NaN;
};
const compare = (a, b, isNumber) => {
  if (!isNumber) return a.localeCompare(b, "en", {numeric: true});
  const [x, y] = [number(a), number(b)];
  return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : x - y;
};
const sort = (table, header) => {
  const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const isNumber = header.classList.contains("embedl-number");
  const text = row => row.cells[header.cellIndex].textContent;
  const body = table.tBodies[0];
  // What has no value stays at the end either way.
  const isEmpty = row => text(row) === "" || (isNumber && isNaN(number(text(row))));
  body.append(...[...body.rows].sort((a, b) =>
    isEmpty(a) - isEmpty(b) || sign * compare(text(a), text(b), isNumber)));
  for (const each of header.parentNode.cells) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
};
for (const table of document.querySelectorAll(".embedl-page table")) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, header));
    header.append(button);
  }
}
""")
