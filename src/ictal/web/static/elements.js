/** Finds and makes elements of the page. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 */
function find(id, type) {
  const node = document.getElementById(id);
  if (!(node instanceof type)) throw new Error(`index.html has no ${type.name} with the id '${id}'`);
  return node;
}

/** @param {string} id */
export const $ = (id) => find(id, HTMLElement);
/** @param {string} id */
export const $select = (id) => find(id, HTMLSelectElement);
/** @param {string} id */
export const $button = (id) => find(id, HTMLButtonElement);
/** @param {string} id */
export const $input = (id) => find(id, HTMLInputElement);
/** @param {string} id */
export const $dialog = (id) => find(id, HTMLDialogElement);

/** @typedef {Record<string, string | number | boolean | Record<string, EventListener>>} Properties */

/**
 * Make an element. Its properties are those of the DOM, attributes such as `aria-label`, `on` for listeners and
 * `colour` for the background.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} properties
 * @param {(Node | string)[]} children
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "object") for (const [type, act] of Object.entries(value)) node.addEventListener(type, act);
    else if (name === "colour") node.style.background = String(value);
    else if (name in node && name !== "role") Object.assign(node, { [name]: value });
    else node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

/**
 * Fill a menu and choose one of its options.
 * @param {HTMLSelectElement} menu
 * @param {[value: string | number, title: string][]} options
 * @param {string | number} chosen
 */
export function setOptions(menu, options, chosen) {
  menu.replaceChildren(...options.map(([value, title]) => new Option(title, String(value))));
  menu.value = String(chosen);
}

/**
 * Show a toggle as on or off.
 * @param {HTMLElement} button
 * @param {boolean} on
 */
export const press = (button, on) => button.setAttribute("aria-pressed", String(on));
