/** Colours as the style sheet has them now, and the scale of the spectra. */

let known = {};

/** The value of a custom property, '--' left out. */
export function colour(name) {
  known[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return known[name];
}

/** The colour of a pattern: the style sheet's, which suits the theme, else the server's. */
export const patternColour = (pattern) => colour(pattern.key) || pattern.colour;

/** Use the theme that was chosen, or the system's. */
export function applyTheme(chosen) {
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  known = {};
  return dark;
}

/** Points of matplotlib's inferno without its ends, even in lightness, so that more looks like more. */
const HEAT = ["#0b0724", "#320a5e", "#6a176e", "#a32c60", "#d84c3e", "#f58117", "#fbbe23", "#f7f7a0"];

function table(stops) {
  const rgb = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Uint8ClampedArray.from({ length: 256 * 3 }, (_, index) => {
    const place = (Math.floor(index / 3) / 255) * (rgb.length - 1);
    const low = Math.min(Math.floor(place), rgb.length - 2);
    return rgb[low][index % 3] + (place - low) * (rgb[low + 1][index % 3] - rgb[low][index % 3]);
  });
}

const heat = table(HEAT);

/** An image of values [row][column], the last row at the top; null is left clear. */
export function image(values, low, high) {
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  const canvas = new OffscreenCanvas(Math.max(1, columns), Math.max(1, rows));
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = values[row][column];
      if (value === null) continue;
      const place = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));
      const at = 4 * ((rows - 1 - row) * columns + column);
      pixels.data.set([heat[place], heat[place + 1], heat[place + 2], 255], at);
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Hatch a rectangle: nothing is known there. */
export function hatch(context, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour("hatch");
  context.lineWidth = 1;
  context.beginPath();
  for (let at = x - height - (x % 6); at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}
