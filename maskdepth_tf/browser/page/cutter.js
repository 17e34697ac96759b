// The foreground cut out by the processor, for machines without a graphics card.
//
// What `cutShader` does, pixel by pixel: the edges of `inference/matting.py`, of which
// the worker has found what the network's square tells. Logarithms come from tables.

import { FAR } from "./edges.js";
import { isStill } from "./geometry.js";
import { BLOCK, Perceptron } from "./perceptron.js";

const BACK = 0; // kinds of cells: surely behind, surely in front, in between, an edge
const FRONT = 1;
const BETWEEN = 2;
const EDGE = 3;
const SURE = 1 / 510; // less is rounded away
const UNSURE = 0.01; // masks beyond are taken as they are, near edges too
const MOST_EDGES = 0.25; // share of the cells; more are no outline, and take long
const PER_UNIT = 8; // entries of the tables

/** Cuts frames; `side` is that of the network's square. */
export class Cutter {
  constructor(matting, side) {
    this.side = side;
    this.leastLogit = matting.LEAST_LOGIT;
    this.perceptron = new Perceptron(matting.layers);
    // Pixels near an edge are cut many at once. Of those that wait: how many they are,
    // their places in the frame, the colours behind them and of the foreground nearby.
    this.waiting = 0;
    this.places = new Uint32Array(BLOCK);
    this.behind = new Float32Array(3 * BLOCK);
    this.front = new Float32Array(3 * BLOCK);
    this.kinds = new Uint8Array(side * side);
    this.logits = new Float32Array(3 * side * side);
    this.luts = [0, 1, 2].map(() => new Float32Array(256));
    // Of lengths up to that of white less black, and of tones with 8 added.
    this.lengths = tableOf(450, (length) => Math.log1p(length) - 3);
    this.tones = tableOf(256, (tone) => Math.log(tone + 8));
  }

  /** Sets the size of frames, in pixels. */
  resize(width, height) {
    const { side } = this;
    this.width = width;
    this.height = height;
    this.columns = placesOf(width, side);
    this.rows = placesOf(height, side);
    const enlarged = Math.log((width * height) / (side * side)) / 2;
    this.perceptron.features.fill(enlarged - 1, 10 * BLOCK); // of all pixels the same
  }

  /**
   * Cuts a frame out, in place.
   *
   * @param {Uint8ClampedArray} frame RGBA bytes, opaque; its alpha becomes the mask, and
   *   colours at edges lose what shows through.
   * @param {Uint8ClampedArray} background RGBA bytes of the same size.
   * @param {object} answer The worker's.
   */
  cut(frame, background, answer) {
    const { width, height, side, columns, rows, kinds } = this;
    this.lookAt(answer);
    const words = new Uint32Array(frame.buffer);
    for (let y = 0; y < height; y++) {
      const line = rows.nearest[y] * side;
      for (let cell = 0, next; cell < side; cell = next) {
        const kind = kinds[line + cell];
        for (next = cell + 1; next < side && kinds[line + next] === kind; ) next++;
        if (kind === FRONT) continue;
        const start = columns.starts[cell];
        const end = columns.starts[next];
        if (kind === BACK) {
          for (let i = y * width + start; i < y * width + end; i++) words[i] &= 0x00ffffff;
        } else {
          this.cutUnsure(frame, background, answer.cells, kind === EDGE, y, start, end);
        }
      }
    }
    this.cutEdges(frame);
  }

  // Pixels of a row of which not all are surely behind, or all in front.
  cutUnsure(frame, background, cells, isEdge, y, start, end) {
    const { width, side, columns, rows } = this;
    const first = rows.first[y] * side;
    const down = rows.share[y];
    for (let x = start; x < end; x++) {
      const corner = first + columns.first[x];
      const right = columns.share[x];
      const k = 4 * corner;
      const upper = cells[k] + (cells[k + 4] - cells[k]) * right;
      const below = k + 4 * side;
      const lower = cells[below] + (cells[below + 4] - cells[below]) * right;
      const mask = upper + (lower - upper) * down;
      const i = y * width + x;
      if (isEdge && mask > UNSURE && mask < 1 - UNSURE) {
        this.gather(frame, background, i, x, y, corner);
        if (this.waiting === BLOCK) this.cutEdges(frame);
      } else {
        frame[4 * i + 3] = 255 * mask;
      }
    }
  }

  lookAt({ cells, near, warp, light }) {
    const { kinds, logits, leastLogit, luts } = this;
    const logit = (p) => {
      const inner = Math.min(Math.max(p, leastLogit), 1 - leastLogit);
      return Math.log(inner / (1 - inner));
    };
    let edges = 0;
    for (let k = 3; k < cells.length; k += 4) edges += cells[k];
    const isSharp = edges < MOST_EDGES * kinds.length;
    for (let i = 0; i < kinds.length; i++) {
      const k = 4 * i;
      if (cells[k + 3] > 0) kinds[i] = isSharp ? EDGE : BETWEEN;
      else if (cells[k + 2] < SURE) kinds[i] = BACK;
      else if (cells[k + 1] > 1 - SURE) kinds[i] = FRONT;
      else kinds[i] = BETWEEN;
      if (near[k + 3] === FAR) continue;
      for (let c = 0; c < 3; c++) logits[3 * i + c] = logit(cells[k + c]) / 4;
    }
    luts.forEach((lut, c) => {
      const [a, b, d, e] = light.curves[c];
      for (let value = 0; value < 256; value++) {
        const tone = value / 255;
        lut[value] = 255 * (a + b * Math.sqrt(tone) + d * tone + e * tone * tone);
      }
    });
    this.near = near;
    this.warp = warp;
    this.gain = light.gain;
    this.isStill = isStill(warp);
  }

  // One pixel near an edge: what the perceptron sees of it, in the order of `_features`.
  gather(frame, background, i, x, y, corner) {
    const { side, near, logits, columns, rows, lengths, tones, behind, front } = this;
    const { features } = this.perceptron;
    this.lookBehind(frame, background, i, x, y);
    const f = this.waiting++;
    this.places[f] = i;
    const red = frame[4 * i];
    const green = frame[4 * i + 1];
    const blue = frame[4 * i + 2];
    const place = 3 * f;
    const backRed = behind[place];
    const backGreen = behind[place + 1];
    const backBlue = behind[place + 2];
    // Weights of the four cells around.
    const right = columns.share[x];
    const down = rows.share[y];
    const d = right * down;
    const b = right - d;
    const c = down - d;
    const a = 1 - right - c;
    let n = 4 * corner;
    let m = n + 4 * side;
    const frontRed = a * near[n] + b * near[n + 4] + c * near[m] + d * near[m + 4];
    const frontGreen = a * near[n + 1] + b * near[n + 5] + c * near[m + 1] + d * near[m + 5];
    const frontBlue = a * near[n + 2] + b * near[n + 6] + c * near[m + 2] + d * near[m + 6];
    const spread = a * near[n + 3] + b * near[n + 7] + c * near[m + 3] + d * near[m + 7];
    front[place] = frontRed;
    front[place + 1] = frontGreen;
    front[place + 2] = frontBlue;
    n = 3 * corner;
    m = n + 3 * side;
    for (let j = 0; j < 3; j++, n++, m++) {
      features[f + j * BLOCK] =
        a * logits[n] + b * logits[n + 3] + c * logits[m] + d * logits[m + 3];
    }
    const sr = frontRed - backRed;
    const sg = frontGreen - backGreen;
    const sb = frontBlue - backBlue;
    const cr = red - backRed;
    const cg = green - backGreen;
    const cb = blue - backBlue;
    const squared = sr * sr + sg * sg + sb * sb;
    const part = Math.min(Math.max((sr * cr + sg * cg + sb * cb) / (squared + 1), -1), 2);
    const rest = length(cr - part * sr, cg - part * sg, cb - part * sb);
    const distance = length(red - frontRed, green - frontGreen, blue - frontBlue);
    features[f + 3 * BLOCK] = at(lengths, length(cr, cg, cb));
    features[f + 4 * BLOCK] = at(lengths, distance);
    features[f + 5 * BLOCK] = at(lengths, Math.sqrt(spread));
    features[f + 6 * BLOCK] = at(lengths, Math.sqrt(squared));
    features[f + 7 * BLOCK] = at(lengths, rest);
    features[f + 8 * BLOCK] = part;
    features[f + 9 * BLOCK] =
      at(tones, (red + green + blue) / 3) - at(tones, (backRed + backGreen + backBlue) / 3);
  }

  // Of the pixels that wait: alpha, and their own colours.
  cutEdges(frame) {
    const { perceptron, places, behind, front, waiting } = this;
    const { sums } = perceptron;
    perceptron.run(waiting);
    for (let n = 0, m = 0; n < waiting; n++, m += 3) {
      const alpha = 1 / (1 + Math.exp(-sums[n]));
      const k = 4 * places[n];
      frame[k + 3] = 255 * alpha;
      if (alpha > 0.1) {
        const rest = 1 - alpha;
        frame[k] = (frame[k] - rest * behind[m]) / alpha;
        frame[k + 1] = (frame[k + 1] - rest * behind[m + 1]) / alpha;
        frame[k + 2] = (frame[k + 2] - rest * behind[m + 2]) / alpha;
      } else {
        frame[k] = front[m];
        frame[k + 1] = front[m + 1];
        frame[k + 2] = front[m + 2];
      }
    }
    this.waiting = 0;
  }

  // The background as the picture would show it, at one of its pixels.
  lookBehind(frame, background, i, x, y) {
    const { width, height, gain, luts, behind } = this;
    const place = 3 * this.waiting;
    const u = (x + 0.5) / width - 0.5;
    const v = (y + 0.5) / height - 0.5;
    let k = 4 * i;
    if (!this.isStill) {
      const [a, b, c, d, e, f, g, h] = this.warp;
      const far = 1 + g * u + h * v;
      const right = (a * u + b * v + c) / far;
      const down = (d * u + e * v + f) / far;
      if (Math.max(Math.abs(right), Math.abs(down)) > 0.5) {
        for (let c = 0; c < 3; c++) behind[place + c] = frame[4 * i + c];
        return;
      }
      const column = Math.min(Math.floor((right + 0.5) * width), width - 1);
      const row = Math.min(Math.floor((down + 0.5) * height), height - 1);
      k = 4 * (row * width + column);
    }
    const p = 2 * u;
    const q = 2 * v;
    const straight = 1 + gain[0] * p + gain[1] * q;
    const field = straight + gain[2] * p * p + gain[3] * p * q + gain[4] * q * q;
    for (let c = 0; c < 3; c++) {
      behind[place + c] = lit(luts[c], background[k + c], field, frame[4 * i + c]);
    }
  }
}

// What is clipped has lost how far it went: it goes as far as the picture's.
function lit(lut, value, field, picture) {
  const other = Math.min(Math.max(lut[value] * field, 0), 255);
  if ((value >= 250 && picture >= other) || (value <= 5 && picture <= other)) return picture;
  return other;
}

function length(a, b, c) {
  return Math.sqrt(a * a + b * b + c * c);
}

function tableOf(most, give) {
  return Float32Array.from({ length: most * PER_UNIT + 1 }, (_, i) => give(i / PER_UNIT));
}

function at(table, value) {
  return table[Math.min((value * PER_UNIT + 0.5) | 0, table.length - 1)];
}

// Of each pixel along an axis: the cell that it is in, the first of the two whose
// middles it lies between, and how far it is on the way. Of each cell: its first pixel.
function placesOf(count, side) {
  const places = {
    nearest: new Uint16Array(count),
    first: new Uint16Array(count),
    share: new Float64Array(count),
    starts: new Uint16Array(side + 1),
  };
  for (let i = 0; i < count; i++) {
    const cell = ((i + 0.5) * side) / count;
    const place = Math.min(Math.max(cell - 0.5, 0), side - 1);
    places.nearest[i] = Math.floor(cell);
    places.first[i] = Math.min(Math.floor(place), side - 2);
    places.share[i] = place - places.first[i];
    places.starts.fill(i + 1, places.nearest[i] + 1);
  }
  return places;
}
