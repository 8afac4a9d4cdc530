/** Turns a table of numbers into a picture, from dark (low) to bright (high). */

/** @import { Column } from "./answers.js" */

/** Points of matplotlib's inferno without its ends, evenly spaced in lightness. */
const STOPS = ["#0b0724", "#320a5e", "#6a176e", "#a32c60", "#d84c3e", "#f58117", "#fbbe23", "#f7f7a0"];

function interpolatedColours() {
  const rgb = STOPS.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Uint8ClampedArray.from({ length: 256 * 3 }, (_, index) => {
    const place = (Math.floor(index / 3) / 255) * (rgb.length - 1);
    const low = Math.min(Math.floor(place), rgb.length - 2);
    return rgb[low][index % 3] + (place - low) * (rgb[low + 1][index % 3] - rgb[low][index % 3]);
  });
}

const COLOURS = interpolatedColours();

/**
 * Draw values [row][column], the last row at the top; null stays transparent.
 * @param {Column[]} values
 * @param {number} low - the value of the darkest colour
 * @param {number} high - the value of the brightest colour
 */
export function heatMap(values, low, high) {
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  const canvas = new OffscreenCanvas(Math.max(1, columns), Math.max(1, rows));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser does not support canvas");
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = values[row][column];
      if (value === null) continue;
      const place = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));
      const at = 4 * ((rows - 1 - row) * columns + column);
      pixels.data.set([COLOURS[place], COLOURS[place + 1], COLOURS[place + 2], 255], at);
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
