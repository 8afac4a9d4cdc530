/** Short ways to the document. */

export const $ = (id) => document.getElementById(id);

/** Make an element: properties and aria-/data- attributes, `on` for listeners, `colour` for a pattern's background. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === "colour") node.style.background = value;
    else if (name in node && name !== "role") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Fill a select with [value, title] pairs and choose one. */
export function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, title]) => new Option(title, value)));
  select.value = String(chosen);
}

/** Let a button that stays down be down, or not. */
export const press = (button, on) => button.setAttribute("aria-pressed", String(Boolean(on)));

/** Pixels beside what is drawn over time: titles at the left, a margin at the right. */
export const GUTTER = 90;
export const RIGHT = 10;

/** A layer's own pixels across which time is drawn: what the server decimates to. */
export function pixelsOfTime(canvas) {
  return canvas.width - Math.round((GUTTER + RIGHT) * (window.devicePixelRatio || 1));
}

/** Draw what may not reach beyond the time that is shown. */
export function withinTime({ context, width, height }, draw) {
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, width - GUTTER - RIGHT, height);
  context.clip();
  draw();
  context.restore();
}

/** A canvas that fills its host at the screen's own pixels; `draw` is called when the size changes. */
export function layer(host, draw) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  host.append(canvas);
  const resized = () => {
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [host.clientWidth, host.clientHeight].map((size) => Math.max(1, Math.round(size * scale)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    draw();
  };
  new ResizeObserver(resized).observe(host);
  return canvas;
}

/** Clear a layer and return what to draw with, in CSS pixels. */
export function brush(canvas) {
  const context = canvas.getContext("2d");
  const scale = window.devicePixelRatio || 1;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const [width, height] = [canvas.width / scale, canvas.height / scale];
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
