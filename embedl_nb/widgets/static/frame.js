// What every widget is drawn in: elements made of text only, the box for errors, and the note that the kernel is gone.

/**
 * What anywidget hands to a widget.
 *
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {() => void} save_changes
 * @property {(content: object) => void} send
 * @property {(event: string, act: (...args: any[]) => void) => void} on
 * @property {(event: string, act: (...args: any[]) => void) => void} off
 */

/**
 * Make an element. Text goes in as text: a name with markup in it shows its markup.
 *
 * @param {string} tag
 * @param {Record<string, string | number | boolean | EventListener | null | undefined>} [attributes]
 *     A function is a listener, `false`, `null` and `undefined` leave the attribute out.
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child || child === "")));
  return made;
}

let numIds = 0;

/** @returns {string} an id that nothing else in the page has */
export function freshId() {
  numIds += 1;
  return `embedl-${numIds}-${Math.random().toString(36).slice(2, 8)}`;
}

/**
 * Write into a live region, which a screen reader reads out, only where that is news.
 *
 * @param {HTMLElement} region
 * @param {string} text
 */
export function say(region, text) {
  if (region.textContent !== text) region.textContent = text;
}

/**
 * Make the box of a search; the arrow down leaves it for what is found.
 *
 * @param {{label: string, placeholder: string, search: (words: string) => void, leave: () => void}} options
 */
export function searchBox({ label, placeholder, search, leave }) {
  const box = /** @type {HTMLInputElement} */ (element("input", {
    type: "search",
    class: "embedl-search",
    placeholder,
    "aria-label": label,
    autocomplete: "off",
    spellcheck: "false",
    input: () => search(box.value),
    keydown: /** @type {EventListener} */ ((/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      leave();
    }),
  }));
  return box;
}

/**
 * Make an action that waits until nobody has called it for a while.
 *
 * @param {() => void} act
 * @param {number} delayMs
 * @returns {(() => void) & {now: () => void}} `now` does at once what is waiting
 */
export function whenQuiet(act, delayMs) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(run, delayMs);
  };
  const run = () => {
    timer = 0;
    act();
  };
  later.now = () => {
    if (!timer) return;
    clearTimeout(timer);
    run();
  };
  return later;
}

// What editing text and moving about in it needs.
const OWN_KEYS = new Set("acvxyz".split("").concat("arrowleft", "arrowright", "arrowup", "arrowdown", "home", "end",
  "backspace", "delete", "enter", " "));

/** @param {KeyboardEvent} event */
const isForNotebook = ({ key = "", ctrlKey, metaKey }) => (ctrlKey || metaKey) && !OWN_KEYS.has(key.toLowerCase());

/**
 * Set the stage for one view of a widget.
 *
 * @param {Model} model
 * @param {HTMLElement} el what anywidget gives
 * @param {string} label what a screen reader calls the widget
 * @returns {{body: HTMLElement, listen: (event: string, act: (...args: any[]) => void) => void, end: () => void}}
 *     `listen` listens to the model until `end`, which the view calls when it goes.
 */
export function frame(model, el, label) {
  const body = element("div", { class: "embedl-body" });
  const error = element("div", { class: "embedl-error", role: "alert", hidden: true });
  const gone = element("p", { class: "embedl-gone", role: "status", hidden: true });
  // What a notebook shows where it cannot draw this is an output beside it, which goes while this is seen.
  const instead = model.get("_instead");
  const style = element("style", {}, instead ? `.${instead} { display: none; }` : "");
  const root = element("section", { class: "embedl-widget", "aria-label": label }, style, gone, body, error);
  // JupyterLab would take arrows, Space, Enter and letters for the notebook's own: two d's delete the cell. What it does
  // with Ctrl or Cmd, such as saving, it is given as if it came from beside the widget.
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (isForNotebook(event) && !el.dispatchEvent(new KeyboardEvent("keydown", event))) event.preventDefault();
  });
  el.append(root);

  /** @type {[string, (...args: any[]) => void][]} */
  const listeners = [];
  const listen = (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ act) => {
    model.on(event, act);
    listeners.push([event, act]);
  };
  const showError = () => {
    const { message, hint } = model.get("_error") ?? {};
    error.hidden = !message;
    error.replaceChildren(
      element("p", {}, element("b", {}, "Error "), message ?? ""),
      hint ? element("p", {}, "Try: ", element("code", {}, hint)) : "",
    );
  };
  listen("change:_error", showError);
  showError();
  listen("comm_live_update", () => {
    gone.hidden = false;
    gone.textContent = "The kernel that this belongs to is gone. Run the cell again to go on.";
  });
  return {
    body,
    listen,
    end: () => {
      for (const [event, act] of listeners) model.off(event, act);
      root.remove();
    },
  };
}

/**
 * Hand a file to the user.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
