// The device picker: a search box, filters and one table of what is attached and of every phone that is known.

import { element, frame, say, searchBox, whenQuiet } from "./frame.js";
import { createGrid, sorted } from "./grid.js";

const ASK_EVERY_MS = 3000;
const SAVE_AFTER_MS = 400;

/**
 * @typedef {{label: string, vendor: string, npu: string, sdk: string, tier: string}} Chip
 * @typedef {{compiles: boolean, compiler: string, simulates: boolean, simulator: string}} NpuSupport
 *
 * @typedef {object} Device
 * @property {string} id what is picked: an address or a name
 * @property {string} name
 * @property {Chip[]} chips
 * @property {[number | null, number | null]} ram GB as sold, least and most
 * @property {[number | null, number | null]} api Android's levels
 * @property {number | null} year
 * @property {string} words what is searched: small letters, a blank before each word
 * @property {string} nameWords its name, in the same way
 * @property {boolean} isAttached
 * @property {boolean} isReady
 * @property {string} state of an attached one
 * @property {string} nextStep what makes it ready
 * @property {string[]} units
 * @property {string} os
 */

const ANDROID = new Map([
  [28, "9"], [29, "10"], [30, "11"], [31, "12"], [32, "12L"], [33, "13"], [34, "14"], [35, "15"], [36, "16"],
]);
const TIERS = ["entry", "mid", "flagship"];
const SDK_NAMES = new Map([
  ["qualcomm", "Qualcomm"], ["mediatek", "MediaTek"], ["google_tensor", "Google Tensor"], ["samsung", "Samsung"],
]);
const ABILITIES = { run: "run now", npu: "compile for the NPU", simulate: "simulate the NPU" };

/** @param {string} text */
const plain = (text) => ` ${text.toLowerCase().replace(/[()_,/]/g, " ").replace(/\s+/g, " ").trim()}`;

/**
 * @param {[number | null, number | null]} span
 * @param {(value: number) => string} [write]
 */
function spanText([low, high], write = String) {
  if (low === null || high === null) return "";
  return low === high ? write(low) : `${write(low)}–${write(high)}`;
}

const androidName = (/** @type {number} */ level) => ANDROID.get(level) ?? `API ${level}`;
const unique = (/** @type {string[]} */ texts) => [...new Set(texts.filter(Boolean))];
const chipText = (/** @type {Device} */ device) => unique(device.chips.map((chip) => chip.label)).join(" or ");
const npuText = (/** @type {Device} */ device) => unique(device.chips.map((chip) => chip.npu)).join(" or ");

/**
 * @param {{chips: Chip[], phones: any[][]}} catalog
 * @returns {Device[]}
 */
function catalogDevices(catalog) {
  return (catalog.phones ?? []).map(([name, brand, places, minRam, maxRam, minApi, maxApi, year, codes]) => {
    const chips = places.map((/** @type {number} */ place) => catalog.chips[place]);
    const words = [name, brand, codes, ...chips.flatMap((/** @type {Chip} */ chip) => [chip.label, chip.vendor, chip.npu])];
    return {
      ...{ id: name, name, chips, ram: [minRam, maxRam], api: [minApi, maxApi], year, words: plain(words.join(" ")) },
      ...{ nameWords: plain(name), isAttached: false, isReady: false, state: "", nextStep: "", units: [], os: "" },
    };
  });
}

/**
 * @param {any[]} rows
 * @returns {Device[]}
 */
function attachedDevices(rows) {
  return rows.filter((row) => row.isDevice).map((row) => {
    const chips = row.chips ?? [];
    const words = [row.name, row.address, row.state, row.os ?? "", ...chips.map((/** @type {Chip} */ chip) => chip.label)];
    return {
      ...{ id: row.address, name: row.name, chips, ram: row.ram ?? [null, null] },
      ...{ api: [row.api ?? null, row.api ?? null], year: row.year ?? null, words: plain(words.join(" ")) },
      ...{ nameWords: plain(row.name), isAttached: true, isReady: row.isReady, state: row.state, nextStep: row.nextStep },
      ...{ units: row.units ?? [], os: row.os ?? "" },
    };
  });
}

/**
 * Put devices first that are called what was searched, then those with the words in their name, then the others.
 *
 * @param {Device[]} devices
 * @param {string[]} words
 */
function nearestFirst(devices, words) {
  const whole = words.join("");
  /** @type {Device[][]} */
  const groups = [[], [], []];
  for (const device of devices) {
    const { nameWords } = device;
    groups[nameWords.endsWith(whole) ? 0 : words.every((word) => nameWords.includes(word)) ? 1 : 2].push(device);
  }
  return groups.flat();
}

/**
 * What can be done with a device now, each with the words that explain it.
 *
 * @param {Device} device
 * @param {Record<string, NpuSupport>} npus
 */
function abilities(device, npus) {
  const known = device.chips.map((chip) => ({ chip, support: npus[chip.sdk] })).filter((each) => each.support);
  const best = (/** @type {"compiles" | "simulates"} */ what) => known.find((each) => each.support[what]) ?? known[0];
  const compiling = best("compiles");
  const simulating = best("simulates");
  const npu = compiling?.chip.npu || "NPU";
  const notYet = device.chips.length ? "the kernel has not said yet" : "its chip is not known before it is ready";
  const run = device.isAttached
    ? device.isReady
      ? `on ${device.units.join(", ")}`
      : `${device.state}: ${device.nextStep}`
    : "not attached: plug one in and allow USB debugging";
  return {
    run: { can: device.isReady, why: run },
    npu: {
      can: Boolean(compiling?.support.compiles),
      why: compiling ? (compiling.support.compiles ? `${npu}, by ${compiling.support.compiler}` : compiling.support.compiler) : notYet,
    },
    simulate: {
      can: Boolean(simulating?.support.simulates),
      why: simulating ? simulating.support.simulator : notYet,
    },
  };
}

/**
 * One filter: a list of choices, and which devices each lets through.
 *
 * @typedef {object} Filter
 * @property {string} key
 * @property {string} label
 * @property {(devices: Device[]) => [string, string][]} choices value and text
 * @property {(device: Device, value: string, npus: Record<string, NpuSupport>) => boolean} fits
 */

/** @type {Filter[]} */
const FILTERS = [
  {
    key: "can",
    label: "Can now",
    choices: () => Object.entries(ABILITIES),
    fits: (device, value, npus) => abilities(device, npus)[/** @type {keyof typeof ABILITIES} */ (value)].can,
  },
  {
    key: "chip",
    label: "Chip",
    choices: (devices) => unique(devices.flatMap((device) => device.chips.map((chip) => chip.label)))
      .sort(new Intl.Collator("en", { numeric: true }).compare)
      .map((label) => [label, label]),
    fits: (device, value) => device.chips.some((chip) => chip.label === value),
  },
  {
    key: "npu",
    label: "NPU",
    choices: (devices) => {
      const chips = devices.flatMap((device) => device.chips);
      const sdks = [...SDK_NAMES].filter(([sdk]) => chips.some((chip) => chip.sdk === sdk));
      const npus = unique(chips.map((chip) => chip.npu)).sort(new Intl.Collator("en", { numeric: true }).compare);
      return [...sdks.map(([sdk, name]) => [`sdk:${sdk}`, `any of ${name}'s SDK`]), ...npus.map((npu) => [npu, npu])];
    },
    fits: (device, value) => device.chips.some((chip) => chip.npu === value || `sdk:${chip.sdk}` === value),
  },
  {
    key: "ram",
    label: "RAM",
    choices: () => [4, 6, 8, 12, 16].map((size) => [String(size), `${size} GB or more`]),
    fits: (device, value) => device.ram[0] !== null && device.ram[0] >= Number(value),
  },
  {
    key: "tier",
    label: "Tier",
    choices: () => TIERS.map((tier) => [tier, tier]),
    fits: (device, value) => device.chips.some((chip) => chip.tier === value),
  },
  {
    key: "android",
    label: "Android",
    choices: () => [...ANDROID].reverse().map(([level, name]) => [String(level), `${name} (API ${level})`]),
    fits: (device, value) => device.api[0] !== null && device.api[0] <= Number(value) && Number(value) <= device.api[1],
  },
  {
    key: "year",
    label: "Year",
    choices: (devices) => unique(devices.map((device) => String(device.year ?? "")))
      .sort()
      .reverse()
      .map((year) => [year, year]),
    fits: (device, value) => String(device.year) === value,
  },
];

/**
 * @param {{model: import("./frame.js").Model, el: HTMLElement}} context
 */
function render({ model, el }) {
  const { body, listen, end } = frame(model, el, "Device picker");
  const phones = catalogDevices(model.get("_catalog"));
  let devices = [...attachedDevices(model.get("_attached")), ...phones];
  /** @type {Device[]} in the order of the table */
  let ordered = devices;
  /** @type {Device | null} */
  let active = null;
  let query = /** @type {Record<string, any>} */ ({ ...model.get("_query") });
  let picked = new Set(/** @type {string[]} */ (model.get("value")));

  const search = searchBox({
    label: "Search devices",
    placeholder: `Search ${devices.length.toLocaleString("en")} devices: galaxy s24, SM8650, hexagon v75`,
    search: (words) => setQuery({ search: words }),
    leave: () => grid.focus(),
  });
  const filters = FILTERS.map((filter) => {
    const select = /** @type {HTMLSelectElement} */ (element(
      "select",
      { "aria-label": filter.label, change: () => setQuery({ [filter.key]: select.value }) },
      element("option", { value: "" }, "any"),
      ...filter.choices(phones).map(([value, text]) => element("option", { value }, text)),
    ));
    return { ...filter, select };
  });
  const clear = element("button", { type: "button", click: () => {
    query = query.sort ? { sort: query.sort } : {};
    saveQuery();
    showQuery();
    search.focus();
  } }, "Clear");
  const refresh = /** @type {HTMLButtonElement} */ (element("button", {
    type: "button",
    "aria-label": "List attached devices again",
    click: () => {
      ask();
      refresh.textContent = "Listing…";
    },
  }, "Refresh"));
  const count = element("p", { class: "embedl-count", role: "status" });
  const attachedNote = element("p", { class: "embedl-attached", role: "status" });
  const pickedList = element("ul", { class: "embedl-picked", "aria-label": "Picked devices" });
  const details = element("div", { class: "embedl-details", role: "group", "aria-label": "What it can do now" });

  /** @type {import("./grid.js").Column<Device>[]} */
  const columns = [
    {
      key: "name",
      title: "Device",
      width: 230,
      value: (device) => device.name,
      draw: (device, cell) => {
        const mark = element("span", { class: "embedl-check", "aria-hidden": "true" }, picked.has(device.id) ? "✓" : "");
        cell.append(mark, device.name);
        if (device.isAttached) {
          const kind = device.isReady ? "embedl-tag embedl-ready" : "embedl-tag embedl-unready";
          cell.append(element("span", { class: kind }, device.state));
        }
        cell.title = device.isAttached ? `${device.name}, ${device.id}: ${device.state}` : device.name;
      },
    },
    { key: "chip", title: "Chip", width: 230, value: chipText },
    { key: "npu", title: "NPU", width: 104, isOptional: true, value: npuText },
    { key: "ram", title: "RAM", width: 84, isNumber: true, value: (device) => device.ram[0], text: (device) => {
      const size = spanText(device.ram);
      return size && `${size} GB`;
    } },
    { key: "tier", title: "Tier", width: 76, isOptional: true, value: (device) => unique(device.chips.map((chip) => chip.tier)).join(", ") },
    { key: "android", title: "Android", width: 76, isNumber: true, isOptional: true, value: (device) => device.api[1], text: (device) => spanText(device.api, androidName) },
    { key: "year", title: "Year", width: 56, isNumber: true, isOptional: true, value: (device) => device.year },
    { key: "can", title: "Can now", width: 206, value: canText },
  ];
  const grid = createGrid({
    label: "Devices",
    columns,
    id: (device) => device.id,
    isSelected: (device) => picked.has(device.id),
    isMultiple: true,
    onSelect: (device) => toggle(device.id),
    onActive: (device) => {
      active = device;
      showDetails();
    },
    onSort: (sort) => {
      query = { ...query, sort };
      saveQuery();
      order();
      show();
    },
    emptyText: "No device fits. Search for fewer words, or clear the filters.",
  });

  body.append(
    element("div", { class: "embedl-bar" }, search, clear, refresh),
    element(
      "div",
      { class: "embedl-bar embedl-filters", role: "group", "aria-label": "Filters" },
      ...filters.map((filter) => element("label", {}, filter.label, filter.select)),
    ),
    grid.element,
    element("div", { class: "embedl-bar embedl-foot" }, count, attachedNote),
    pickedList,
    details,
  );

  /** @param {Device} device */
  function canText(device) {
    const can = abilities(device, model.get("_npus"));
    const words = [can.run.can && "run", can.npu.can ? "NPU compile" : "compile", can.simulate.can && "simulate"];
    return words.filter(Boolean).join(" · ");
  }

  const saveLater = whenQuiet(saveQuery, SAVE_AFTER_MS);

  function saveQuery() {
    model.set("_query", query);
    model.save_changes();
  }

  /** @param {Record<string, string>} change */
  function setQuery(change) {
    query = { ...query, ...change };
    show();
    saveLater();
  }

  /** Put the controls where the query says, and show what fits. */
  function showQuery() {
    search.value = query.search ?? "";
    for (const filter of filters) filter.select.value = query[filter.key] ?? "";
    order();
    show();
  }

  function order() {
    ordered = sorted(devices, columns, query.sort ?? null);
    grid.setSort(query.sort ?? null);
  }

  function show() {
    const npus = model.get("_npus");
    const words = plain(query.search ?? "").trim().split(" ").filter(Boolean).map((word) => ` ${word}`);
    const asked = filters.filter((filter) => query[filter.key]);
    const fitting = ordered.filter(
      (device) =>
        words.every((word) => device.words.includes(word)) &&
        asked.every((filter) => filter.fits(device, query[filter.key], npus)),
    );
    const found = query.sort || !words.length ? fitting : nearestFirst(fitting, words);
    grid.setRows(found);
    const all = found.length === devices.length;
    say(count, `${all ? "" : `${found.length.toLocaleString("en")} of `}${devices.length.toLocaleString("en")} devices`);
    clear.hidden = !asked.length && !words.length;
  }

  /** @param {string} id */
  function toggle(id) {
    if (!picked.delete(id)) picked.add(id);
    model.set("value", [...picked]);
    model.save_changes();
    showPicked();
  }

  function showPicked() {
    grid.redraw();
    const names = new Map(devices.map((device) => [device.id, device]));
    pickedList.replaceChildren(
      ...[...picked].map((id) => {
        const device = names.get(id);
        const name = device ? device.name : id;
        const trouble = device ? (device.isAttached && !device.isReady ? device.state : "") : "not there now";
        const remove = () => {
          toggle(id);
          const next = pickedList.querySelector("button");
          if (next) next.focus();
          else search.focus();
        };
        return element(
          "li",
          { class: trouble ? "embedl-unready" : null },
          trouble ? `${name} (${trouble})` : name,
          element("button", { type: "button", "aria-label": `Remove ${name}`, click: remove }, "×"),
        );
      }),
    );
    if (!picked.size) pickedList.append(element("li", { class: "embedl-none" }, "Nothing picked: Space or a click picks"));
  }

  function showDetails() {
    if (!active) {
      details.replaceChildren(element("p", {}, "Arrow keys or a click show what a device can do now; Space or a click picks it."));
      return;
    }
    const can = abilities(active, model.get("_npus"));
    const facts = [
      ["Run", can.run],
      ["Compile", { can: true, why: "for its CPU and GPU" }],
      ["Compile for its NPU", can.npu],
      ["Simulate its NPU", can.simulate],
    ];
    details.replaceChildren(element(
      "dl",
      {},
      element("dt", { class: "embedl-name" }, "Device"),
      element("dd", { class: "embedl-name" }, active.name, " ", active.isAttached && element("code", {}, active.id)),
      ...facts.flatMap(([name, fact]) => {
        const { can: isPossible, why } = /** @type {{can: boolean, why: string}} */ (fact);
        return [element("dt", {}, String(name)), element("dd", {}, element("b", {}, isPossible ? "yes" : "no"), `, ${why}`)];
      }),
    ));
  }

  function showAttached() {
    const rows = model.get("_attached");
    devices = [...attachedDevices(rows), ...phones];
    const notes = rows.filter((/** @type {any} */ row) => !row.isDevice);
    const num = rows.length - notes.length;
    const wait = model.get("_is_waiting") ? "a benchmark runs, so none is asked until it ends" : "";
    say(attachedNote, [`${num} attached`, ...notes.map((/** @type {any} */ row) => `${row.state}: ${row.nextStep}`), wait].filter(Boolean).join("; "));
    order();
    show();
    showPicked();
    if (active) active = devices.find((device) => device.id === active?.id) ?? active;
    showDetails();
  }

  // One question at a time: while the kernel is busy they do not pile up.
  let isAsking = false;
  function ask() {
    if (isAsking) return;
    isAsking = true;
    model.send({ type: "list" });
  }
  function answered() {
    isAsking = false;
    refresh.textContent = "Refresh";
  }
  const asking = setInterval(() => {
    if (!document.hidden && el.isConnected && el.offsetParent) ask();
  }, ASK_EVERY_MS);

  listen("change:_attached", showAttached);
  listen("change:_is_waiting", showAttached);
  listen("change:_npus", () => {
    show();
    showDetails();
  });
  listen("change:_num_listed", answered);
  listen("change:value", () => {
    picked = new Set(model.get("value"));
    showPicked();
  });
  listen("change:_query", () => {
    const next = model.get("_query");
    if (JSON.stringify(next) === JSON.stringify(query)) return;
    query = { ...next };
    showQuery();
  });
  listen("comm_live_update", () => {
    clearInterval(asking);
    refresh.disabled = true;
    answered();
  });

  showAttached();
  showQuery();
  ask();
  return () => {
    clearInterval(asking);
    saveLater.now();
    grid.end();
    end();
  };
}

export default { render };
