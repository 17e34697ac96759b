// The relief by the processor: each cell of a depth map a few squares, nearest first.

import { axesOf, DISTANCE, FOCAL, STRENGTH } from "./view_of_relief.js";

const DETAIL = 2; // squares along each side of a cell
let nearest = new Float32Array(0); // how far what each pixel shows is; used again

/**
 * Draws the relief.
 *
 * @param {Uint32Array} words The picture's pixels.
 * @param {{width: number, height: number}} size Its size.
 * @param {object} eye yaw, pitch, distance, and the colour `back` where nothing is.
 * @param {{depth: Float32Array, fit: number[], pixels: Uint8ClampedArray,
 *   least: number, steep: number}[]} layers Depth of side * side, 0 near and 1 far, its
 *   scale and shift, RGBA bytes of the picture's size, the least alpha that is drawn, and
 *   the step of depth that is an edge.
 * @param {number} side
 */
export function drawRelief(words, size, eye, layers, side) {
  words.fill(wordOf(eye.back.map((value) => Math.round(255 * value))));
  if (nearest.length !== words.length) nearest = new Float32Array(words.length);
  nearest.fill(Infinity);
  for (const layer of layers) {
    if (layer.depth) drawLayer(words, size, eye, layer, side);
  }
}

function drawLayer(words, { width, height }, eye, layer, side) {
  const { depth, fit, pixels, least, steep } = layer;
  const colours = new Uint32Array(pixels.buffer);
  const [right, up, back] = axesOf(eye);
  const aspect = width / height;
  const scale = (FOCAL * height) / 2;
  const count = side * DETAIL;
  const square = (2 * scale) / count;
  const torn = tornOf(depth, side, steep);
  for (let row = 0; row < count; row++) {
    const v = (row + 0.5) / count;
    const line = Math.floor(v * height) * width;
    for (let column = 0; column < count; column++) {
      const u = (column + 0.5) / count;
      const colour = colours[line + Math.floor(u * width)];
      if (colour >>> 24 < least) continue;
      if (torn[Math.floor(v * side) * side + Math.floor(u * side)]) continue;
      const far = fit[0] * smooth(depth, side, u, v) + fit[1];
      // Along the rays of the camera: seen from where that was, it is the picture.
      const further = STRENGTH * (far - 0.5);
      const away = 1 + further;
      const x3 = (u - 0.5) * 2 * aspect * away;
      const y3 = (0.5 - v) * 2 * away;
      const z3 = -DISTANCE * further;
      const distance = eye.distance - (back[0] * x3 + back[1] * y3 + back[2] * z3);
      if (distance < 0.2) continue;
      const step = scale / distance;
      const across = width / 2 + step * (right[0] * x3 + right[1] * y3 + right[2] * z3);
      const down = height / 2 - step * (up[0] * x3 + up[1] * y3 + up[2] * z3);
      // Wide enough that squares side by side leave nothing open.
      const half = ((square * away) / distance) * 0.62;
      const last = Math.min(Math.ceil(down + half), height);
      const end = Math.min(Math.ceil(across + half * aspect), width);
      for (let j = Math.max(Math.floor(down - half), 0); j < last; j++) {
        for (let i = Math.max(Math.floor(across - half * aspect), 0); i < end; i++) {
          const place = j * width + i;
          if (distance < nearest[place]) {
            nearest[place] = distance;
            words[place] = colour | 0xff000000;
          }
        }
      }
    }
  }
}

// Steep steps are edges between things: what would close them was never seen.
function tornOf(depth, side, steep) {
  const torn = new Uint8Array(depth.length);
  for (let i = 0; i < torn.length; i++) {
    const column = i % side;
    const left = column ? i - 1 : i;
    const right = column < side - 1 ? i + 1 : i;
    const above = i >= side ? i - side : i;
    const below = i < torn.length - side ? i + side : i;
    const across = Math.abs(depth[right] - depth[left]);
    torn[i] = Math.max(across, Math.abs(depth[below] - depth[above])) > steep ? 1 : 0;
  }
  return torn;
}

function smooth(depth, side, u, v) {
  const x = Math.min(Math.max(u * side - 0.5, 0), side - 1.001);
  const y = Math.min(Math.max(v * side - 0.5, 0), side - 1.001);
  const left = Math.floor(x);
  const top = Math.floor(y);
  const i = top * side + left;
  const upper = depth[i] + (depth[i + 1] - depth[i]) * (x - left);
  const lower = depth[i + side] + (depth[i + side + 1] - depth[i + side]) * (x - left);
  return upper + (lower - upper) * (y - top);
}

function wordOf([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
