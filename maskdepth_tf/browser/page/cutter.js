// The foreground cut out by the processor, for machines without a graphics card.
//
// What `cutShader` does, pixel by pixel: the edges of `inference/matting.py`, of which
// the worker has found what the network's square tells. Logarithms come from tables.

import { FAR } from "./edges.js";

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
    const [[kernel, bias], [last, [lastBias]]] = matting.layers;
    this.units = bias.length;
    this.hidden = Float64Array.from(
      bias.flatMap((own, unit) => [...kernel.map((row) => row[unit]), own]),
    );
    this.last = Float64Array.from(last, (row) => row[0]);
    this.lastBias = lastBias;
    this.kinds = new Uint8Array(side * side);
    this.logits = new Float64Array(3 * side * side);
    this.luts = [0, 1, 2].map(() => new Float64Array(256));
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
    this.enlarged = Math.log((width * height) / (side * side)) / 2 - 1;
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
    const { cells } = answer;
    for (let y = 0, i = 0; y < height; y++) {
      const line = rows.nearest[y] * side;
      const first = rows.first[y] * side;
      const down = rows.share[y];
      for (let x = 0; x < width; x++, i++) {
        const kind = kinds[line + columns.nearest[x]];
        if (kind === FRONT) continue;
        if (kind === BACK) {
          words[i] &= 0x00ffffff;
          continue;
        }
        const corner = first + columns.first[x];
        const right = columns.share[x];
        const k = 4 * corner;
        const upper = cells[k] + (cells[k + 4] - cells[k]) * right;
        const below = k + 4 * side;
        const lower = cells[below] + (cells[below + 4] - cells[below]) * right;
        const mask = upper + (lower - upper) * down;
        if (kind === EDGE && mask > UNSURE && mask < 1 - UNSURE) {
          this.cutEdge(frame, background, i, x, y, corner);
        } else {
          frame[4 * i + 3] = 255 * mask;
        }
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
    this.isStill = warp.every((value, i) => value === [1, 0, 0, 0, 1, 0][i]);
  }

  // One pixel near an edge: its alpha, and its own colour.
  cutEdge(frame, background, i, x, y, corner) {
    const { side, near, logits, columns, rows, lengths, tones } = this;
    const k = 4 * i;
    const red = frame[k];
    const green = frame[k + 1];
    const blue = frame[k + 2];
    this.lookBehind(background, i, x, y, red, green, blue);
    const { backRed, backGreen, backBlue } = this;
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
    n = 3 * corner;
    m = n + 3 * side;
    const f0 = a * logits[n] + b * logits[n + 3] + c * logits[m] + d * logits[m + 3];
    const f1 = a * logits[n + 1] + b * logits[n + 4] + c * logits[m + 1] + d * logits[m + 4];
    const f2 = a * logits[n + 2] + b * logits[n + 5] + c * logits[m + 2] + d * logits[m + 5];
    const sr = frontRed - backRed;
    const sg = frontGreen - backGreen;
    const sb = frontBlue - backBlue;
    const cr = red - backRed;
    const cg = green - backGreen;
    const cb = blue - backBlue;
    const squared = sr * sr + sg * sg + sb * sb;
    const f8 = Math.min(Math.max((sr * cr + sg * cg + sb * cb) / (squared + 1), -1), 2);
    const f3 = at(lengths, length(cr, cg, cb));
    const f4 = at(lengths, length(red - frontRed, green - frontGreen, blue - frontBlue));
    const f5 = at(lengths, Math.sqrt(spread));
    const f6 = at(lengths, Math.sqrt(squared));
    const f7 = at(lengths, length(cr - f8 * sr, cg - f8 * sg, cb - f8 * sb));
    const f9 =
      at(tones, (red + green + blue) / 3) - at(tones, (backRed + backGreen + backBlue) / 3);
    const f10 = this.enlarged;
    const { hidden, last, units } = this;
    let sum = this.lastBias;
    for (let unit = 0, w = 0; unit < units; unit++, w += 12) {
      const value =
        hidden[w] * f0 + hidden[w + 1] * f1 + hidden[w + 2] * f2 + hidden[w + 3] * f3 +
        hidden[w + 4] * f4 + hidden[w + 5] * f5 + hidden[w + 6] * f6 + hidden[w + 7] * f7 +
        hidden[w + 8] * f8 + hidden[w + 9] * f9 + hidden[w + 10] * f10 + hidden[w + 11];
      if (value > 0) sum += last[unit] * value;
    }
    const alpha = 1 / (1 + Math.exp(-sum));
    frame[k + 3] = 255 * alpha;
    if (alpha > 0.1) {
      const rest = 1 - alpha;
      frame[k] = (red - rest * backRed) / alpha;
      frame[k + 1] = (green - rest * backGreen) / alpha;
      frame[k + 2] = (blue - rest * backBlue) / alpha;
    } else {
      frame[k] = frontRed;
      frame[k + 1] = frontGreen;
      frame[k + 2] = frontBlue;
    }
  }

  // The background as the picture would show it, at one of its pixels.
  lookBehind(background, i, x, y, red, green, blue) {
    const { width, height, gain, luts } = this;
    const u = (x + 0.5) / width - 0.5;
    const v = (y + 0.5) / height - 0.5;
    let k = 4 * i;
    if (!this.isStill) {
      const [a, b, c, d, e, f] = this.warp;
      const right = a * u + b * v + c;
      const down = d * u + e * v + f;
      if (Math.max(Math.abs(right), Math.abs(down)) > 0.5) {
        this.backRed = red;
        this.backGreen = green;
        this.backBlue = blue;
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
    this.backRed = lit(luts[0], background[k], field, red);
    this.backGreen = lit(luts[1], background[k + 1], field, green);
    this.backBlue = lit(luts[2], background[k + 2], field, blue);
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
  return Float64Array.from({ length: most * PER_UNIT + 1 }, (_, i) => give(i / PER_UNIT));
}

function at(table, value) {
  return table[Math.min((value * PER_UNIT + 0.5) | 0, table.length - 1)];
}

// Of each pixel along an axis: the cell that it is in, the first of the two whose
// middles it lies between, and how far it is on the way.
function placesOf(count, side) {
  const places = {
    nearest: new Uint16Array(count),
    first: new Uint16Array(count),
    share: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const cell = ((i + 0.5) * side) / count;
    const place = Math.min(Math.max(cell - 0.5, 0), side - 1);
    places.nearest[i] = Math.floor(cell);
    places.first[i] = Math.min(Math.floor(place), side - 2);
    places.share[i] = place - places.first[i];
  }
  return places;
}
