// How the camera moved between two pictures: a perspective warp, coarse to fine.
//
// The same steps as the package's `registration/geometry.py` and `warps.py`, whose
// constants come with the settings; one picture at a time, and what depends on the
// background alone is kept. Planes are Float32Array of side * side values, row by row.

export const STILL = [1, 0, 0, 0, 1, 0, 0, 0];
const LUMA = [0.299, 0.587, 0.114];

/**
 * Warp [8] -> zoom, turn, stretch, shear, shift right and down, tilt right and down, of
 * the picture as it was taken; `width` is its width, its area being 1.
 */
export function movementOf([a, b, right, d, e, down, tiltRight, tiltDown], width) {
  b *= width ** 2;
  d /= width ** 2;
  const linear = [(a + e) / 2 - 1, (d - b) / 2, (a - e) / 2, (b + d) / 2];
  return [...linear, right * width, down / width, tiltRight / width, tiltDown * width];
}

export function isStill(warp) {
  return warp.every((value, i) => value === STILL[i]);
}

function warpOf([zoom, turn, stretch, shear, right, down, tiltRight, tiltDown], width) {
  const aspect = width ** 2;
  const first = [1 + zoom + stretch, (shear - turn) / aspect, right / width];
  const second = [(shear + turn) * aspect, 1 + zoom - stretch, down * width];
  return [...first, ...second, tiltRight * width, tiltDown / width];
}

/** Interleaved RGB of 0 to 255 -> grey. */
export function lumaOf(pixels, grey) {
  for (let i = 0, k = 0; i < grey.length; i++, k += 3) {
    grey[i] = LUMA[0] * pixels[k] + LUMA[1] * pixels[k + 1] + LUMA[2] * pixels[k + 2];
  }
  return grey;
}

/** Means of squares; `side` divides `size`. `channels` values a pixel. */
export function pool(pixels, size, side, channels = 1) {
  const step = size / side;
  if (step === 1) return pixels;
  const out = new Float32Array(side * side * channels);
  for (let row = 0; row < size; row++) {
    const down = Math.floor(row / step) * side;
    for (let column = 0; column < size; column++) {
      const to = (down + Math.floor(column / step)) * channels;
      const from = (row * size + column) * channels;
      for (let c = 0; c < channels; c++) out[to + c] += pixels[from + c];
    }
  }
  for (let i = 0; i < out.length; i++) out[i] /= step * step;
  return out;
}

/** Which pixels of a picture the background shows, 0 or 1 each. */
export function insideOf(warp, side, margin) {
  const [a, b, c, d, e, f, g, h] = warp;
  const limit = 0.5 - (margin + 0.5) / side + 1e-6;
  const inside = new Uint8Array(side * side);
  for (let row = 0, i = 0; row < side; row++) {
    const y = (row + 0.5) / side - 0.5;
    for (let column = 0; column < side; column++, i++) {
      const x = (column + 0.5) / side - 0.5;
      const far = 1 + g * x + h * y;
      const place = Math.max(Math.abs(a * x + b * y + c), Math.abs(d * x + e * y + f)) / far;
      inside[i] = place <= limit ? 1 : 0;
    }
  }
  return inside;
}

/** A square of `size` at the warped places of one of `side`, bilinear. */
export function resample(image, size, warp, side, channels = 1) {
  const [a, b, c, d, e, f, g, h] = warp;
  const scale = size / side;
  const middle = size / 2 - 0.5;
  const start = 0.5 - side / 2;
  const out = new Float32Array(side * side * channels);
  const last = size - 1;
  for (let row = 0, to = 0; row < side; row++) {
    const p = row + start;
    for (let column = 0; column < side; column++) {
      const q = column + start;
      const far = 1 + (g * q + h * p) / side;
      const right = (scale * (a * q + b * p) + size * c) / far + middle;
      const down = (scale * (d * q + e * p) + size * f) / far + middle;
      const x = Math.min(Math.max(right, 0), last);
      const y = Math.min(Math.max(down, 0), last);
      const left = Math.min(Math.floor(x), last - 1);
      const top = Math.min(Math.floor(y), last - 1);
      const u = x - left;
      const v = y - top;
      let from = (top * size + left) * channels;
      const below = size * channels;
      for (let k = 0; k < channels; k++, from++, to++) {
        const upper = image[from] + (image[from + channels] - image[from]) * u;
        const low = image[from + below];
        const lower = low + (image[from + below + channels] - low) * u;
        out[to] = upper + (lower - upper) * v;
      }
    }
  }
  return out;
}

/** Twice as many pixels by Keys' cubics; beyond the border there is nothing. */
export function doubled(image, side, channels) {
  const wide = doubledRows(image, side, side, channels, channels, side * channels);
  // `wide` is stored column by column: the same step along the other axis follows.
  return doubledRows(wide, side, 2 * side, channels, channels, side * channels);
}

// Doubles along lines of `length` pixels and stores the result transposed.
function doubledRows(image, length, lines, channels, step, stride) {
  const out = new Float32Array(2 * length * lines * channels);
  const cubic = (t) => {
    const x = Math.abs(t);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  };
  for (let place = 0; place < 2 * length; place++) {
    const at = (place + 0.5) / 2 - 0.5;
    const first = Math.floor(at) - 1;
    const taps = [];
    let total = 0;
    for (let i = first; i < first + 4; i++) {
      if (i >= 0 && i < length) taps.push([i * step, cubic(at - i)]);
    }
    for (const tap of taps) total += tap[1];
    for (let line = 0; line < lines; line++) {
      const to = (place * lines + line) * channels;
      for (const [offset, weight] of taps) {
        const from = line * stride + offset;
        for (let c = 0; c < channels; c++) {
          out[to + c] += (image[from + c] * weight) / total;
        }
      }
    }
  }
  return out;
}

/** Solves a symmetric positive system in place; matrix [n * n], vector [n]. */
export function solve(matrix, vector) {
  const n = vector.length;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const factor = matrix[j * n + i] / matrix[i * n + i];
      for (let k = i; k < n; k++) matrix[j * n + k] -= factor * matrix[i * n + k];
      vector[j] -= factor * vector[i];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) vector[i] -= matrix[i * n + k] * vector[k];
    vector[i] /= matrix[i * n + i];
  }
  return vector;
}

/** Follows the camera from one background; `size` is the side of its square. */
export class Geometry {
  constructor(constants, size) {
    this.constants = constants;
    this.size = size;
    this.sides = sidesOf(constants, size);
    this.grey = new Float32Array(size * size);
  }

  get tells() {
    return this.sides.at(-1) >= this.constants.LEAST_SIDE;
  }

  /**
   * Takes a background: interleaved RGB of 0 to 255, which was `aspect` times as wide as
   * high before it was made a square.
   */
  setBackground(pixels, aspect) {
    const { TURNS, MOST_ASPECT } = this.constants;
    this.width = Math.sqrt(Math.min(Math.max(aspect, 1 / MOST_ASPECT), MOST_ASPECT));
    lumaOf(pixels, this.grey);
    this.bg = this.sides.map((side) => this.contrast(this.grey, side));
    this.turned = TURNS.map(([degrees, zoom]) => {
      const turn = (degrees * Math.PI) / 180;
      const warp = warpOf([zoom, turn, 0, 0, 0, 0, 0, 0], this.width);
      return { warp, bg: resample(this.bg[0], this.sides[0], warp, this.sides[0]) };
    });
  }

  /** Looks at a picture; `estimate` and `agreement` are then about it. */
  setPicture(pixels) {
    lumaOf(pixels, this.grey);
    this.first = this.contrast(this.grey, this.sides[0]);
  }

  /** The warp from the picture to the background; `STILL` if the camera stood still. */
  estimate() {
    if (!this.tells) return STILL;
    const { TOLERANCES, GAIN } = this.constants;
    const levels = this.sides.map((side, i) =>
      this.level(i, i ? this.contrast(this.grey, side) : this.first),
    );
    const last = levels.at(-1);
    let warp = this.search(levels[0]);
    let isTilted = false;
    levels.forEach((level, i) => {
      if (i > 0 && level === last) {
        const tilted = this.tilted(levels.slice(0, -1), warp);
        isTilted = tilted !== warp;
        warp = tilted;
      }
      warp = this.refine(level, warp, TOLERANCES[i], isTilted);
    });
    if (!isTilted) warp = [...warp.slice(0, 6), 0, 0];
    const gains = this.cost(last, warp) < (1 - GAIN) * this.cost(last, STILL);
    return gains && this.isBelieved(warp) ? warp : STILL;
  }

  // The warp, with a tilt where that explains more; most cameras stand still.
  tilted(levels, warp) {
    const { GAIN, TILT_TOLERANCES, TILT_GAIN } = this.constants;
    const compared = levels.at(-1);
    const cost = this.cost(compared, warp);
    if (cost >= (1 - GAIN) * this.cost(compared, STILL)) return warp;
    let tilted = warp;
    levels.forEach((level, i) => {
      tilted = this.refine(level, tilted, TILT_TOLERANCES[i], true);
    });
    const gains = this.cost(compared, tilted) < (1 - TILT_GAIN) * cost;
    return gains && this.isBelieved(tilted) ? tilted : warp;
  }

  isBelieved(warp) {
    const { LIMITS } = this.constants;
    return movementOf(warp, this.width).every((m, i) => Math.abs(m) <= LIMITS[i]);
  }

  /** How surely each pixel of the smallest level shows the background, 0 to 1. */
  agreement(warp) {
    const side = this.sides[0];
    const agreement = new Float32Array(side * side).fill(1);
    if (!this.tells) return agreement;
    const { NOISE, FINE, EVIDENCE } = this.constants;
    const bg = isStill(warp) ? this.bg[0] : resample(this.bg[0], side, warp, side);
    const inside = insideOf(warp, side, 1);
    for (let i = 0; i < agreement.length; i++) {
      const error = bg[i] - this.first[i];
      const [right, down] = gradientAt(this.first, side, i);
      const variance = NOISE ** 2 + FINE ** 2 * (right ** 2 + down ** 2);
      const square = this.first[i] ** 2;
      const evidence = square / (square + EVIDENCE ** 2);
      agreement[i] = this.weight(error, variance) * evidence * inside[i];
    }
    return agreement;
  }

  weight(error, variance) {
    const far = 1 + error ** 2 / (this.constants.OUTLIER ** 2 * variance);
    return 1 / (far * far);
  }

  // Deviation from the mean around, by the deviation there; softened.
  contrast(grey, side) {
    const { CONTRAST, WINDOW } = this.constants;
    const pooled = pool(grey, this.size, side);
    const mean = box(pooled, side, WINDOW);
    const off = new Float32Array(pooled.length);
    const square = new Float32Array(pooled.length);
    for (let i = 0; i < off.length; i++) {
      off[i] = pooled[i] - mean[i];
      square[i] = off[i] * off[i];
    }
    const variance = box(square, side, WINDOW);
    for (let i = 0; i < off.length; i++) {
      off[i] /= Math.sqrt(variance[i] + CONTRAST ** 2);
    }
    return softened(off, side);
  }

  level(number, fg) {
    const side = this.sides[number];
    const cell = Math.max(1, Math.floor(side / this.constants.CELLS));
    const count = Math.floor(side / cell);
    const n = count * count;
    const level = { side, bg: this.bg[number], n };
    for (const name of ["x", "y", "contrast", "slope"]) level[name] = new Float32Array(n);
    level.jacobian = Array.from({ length: 8 }, () => new Float32Array(n));
    for (let i = 0; i < n; i++) {
      // What is flat tells nothing of a movement: the steepest pixel of a cell does.
      let best = -1;
      let steepest = -1;
      const corner = Math.floor(i / count) * cell * side + (i % count) * cell;
      for (let k = 0; k < cell * cell; k++) {
        const place = corner + Math.floor(k / cell) * side + (k % cell);
        const [right, down] = gradientAt(fg, side, place);
        const slope = right * right + down * down;
        if (slope > steepest) [steepest, best] = [slope, place];
      }
      level.x[i] = ((best % side) + 0.5) / side - 0.5;
      level.y[i] = (Math.floor(best / side) + 0.5) / side - 0.5;
      const x = level.x[i] * this.width;
      const y = level.y[i] / this.width;
      let [right, down] = gradientAt(fg, side, best);
      right *= side / this.width;
      down *= side * this.width;
      level.contrast[i] = fg[best];
      level.slope[i] = steepest;
      const { jacobian } = level;
      jacobian[0][i] = right * x + down * y;
      jacobian[1][i] = down * x - right * y;
      jacobian[2][i] = right * x - down * y;
      jacobian[3][i] = right * y + down * x;
      jacobian[4][i] = right;
      jacobian[5][i] = down;
      const nearer = -(right * x + down * y);
      jacobian[6][i] = nearer * x;
      jacobian[7][i] = nearer * y;
    }
    level.fg = fg;
    return level;
  }

  // The best of all shifts, turns and zooms, after a few steps of refinement.
  search(level) {
    const { REACH, SEARCH_OUTLIER, STARTS, START_TOLERANCES } = this.constants;
    const { side, fg } = level;
    const reach = Math.ceil(REACH * side);
    const found = [];
    for (let down = -reach; down <= reach; down++) {
      for (let right = -reach; right <= reach; right++) {
        let best = null;
        for (const turned of this.turned) {
          let cost = 0;
          for (let row = reach; row < side - reach; row++) {
            const from = (row + down) * side + right;
            for (let column = reach; column < side - reach; column++) {
              const error = Math.abs(turned.bg[from + column] - fg[row * side + column]);
              cost += Math.min(error, SEARCH_OUTLIER);
            }
          }
          if (!best || cost < best.cost) best = { cost, turned, right, down };
        }
        found.push(best);
      }
    }
    found.sort((one, other) => one.cost - other.cost);
    let chosen = null;
    for (const { turned, right, down } of found.slice(0, STARTS)) {
      const [a, b, , d, e, , g, h] = turned.warp;
      const x = (a * right + b * down) / side;
      const y = (d * right + e * down) / side;
      const start = [a, b, x, d, e, y, g, h];
      const warp = this.refine(level, start, START_TOLERANCES);
      const cost = this.cost(level, warp);
      if (!chosen || cost < chosen.cost) chosen = { cost, warp };
    }
    return chosen.warp;
  }

  // Takes a Gauss-Newton step for each tolerance.
  refine(level, warp, tolerances, isTilted = false) {
    const { NOISE, INDEPENDENT, MOVEMENTS, TILTED, OVERSTEP } = this.constants;
    const prior = (isTilted ? TILTED : MOVEMENTS).map((deviation) => 1 / deviation ** 2);
    const { n, slope, jacobian } = level;
    const normal = new Float64Array(64);
    const row = new Float64Array(8);
    for (const tolerance of tolerances) {
      normal.fill(0);
      const moved = new Float64Array(8);
      this.differences(level, warp);
      for (let i = 0; i < n; i++) {
        if (!this.inside[i]) continue;
        const error = this.error[i];
        const variance = NOISE ** 2 + tolerance ** 2 * slope[i];
        const weight = (INDEPENDENT * this.weight(error, variance)) / variance;
        for (let k = 0; k < 8; k++) row[k] = jacobian[k][i];
        for (let k = 0; k < 8; k++) {
          const weighted = weight * row[k];
          moved[k] += weighted * error;
          for (let l = k; l < 8; l++) normal[k * 8 + l] += weighted * row[l];
        }
      }
      const movement = movementOf(warp, this.width);
      for (let k = 0; k < 8; k++) {
        for (let l = 0; l < k; l++) normal[k * 8 + l] = normal[l * 8 + k];
        normal[k * 9] += prior[k];
        moved[k] += prior[k] * movement[k];
      }
      const change = solve(normal, moved).map((value) => OVERSTEP * value);
      warp = chainInverse(warp, warpOf(change, this.width));
    }
    return warp;
  }

  // Mean squared difference in deviations, cut off.
  cost(level, warp) {
    const { NOISE, FINE } = this.constants;
    this.differences(level, warp);
    let total = 0;
    let count = 1;
    for (let i = 0; i < level.n; i++) {
      if (!this.inside[i]) continue;
      const variance = NOISE ** 2 + FINE ** 2 * level.slope[i];
      total += Math.min(this.error[i] ** 2 / variance, 2);
      count += 1;
    }
    return total / count;
  }

  // Background less picture at the compared pixels, and whether it is known there.
  differences(level, warp) {
    const { side, n, bg, x, y, contrast } = level;
    if (!this.error || this.error.length < n) {
      this.error = new Float32Array(n);
      this.inside = new Uint8Array(n);
    }
    const [a, b, c, d, e, f, g, h] = warp;
    const middle = (side - 1) / 2;
    for (let i = 0; i < n; i++) {
      const far = 1 + g * x[i] + h * y[i];
      const scale = side / far;
      const column = (a * x[i] + b * y[i] + c) * scale + middle;
      const row = (d * x[i] + e * y[i] + f) * scale + middle;
      const within = column >= 1 && column <= side - 2 && row >= 1 && row <= side - 2;
      const known = within && far > 0;
      this.inside[i] = known ? 1 : 0;
      if (!known) continue;
      const left = Math.floor(column);
      const top = Math.floor(row);
      const place = top * side + left;
      const right = column - left;
      const upper = bg[place] + (bg[place + 1] - bg[place]) * right;
      const low = bg[place + side];
      const lower = low + (bg[place + side + 1] - low) * right;
      this.error[i] = upper + (lower - upper) * (row - top) - contrast[i];
    }
  }
}

// Sides of the levels, the smallest first.
function sidesOf({ LEAST_SIDE, TOLERANCES }, size) {
  const sides = [size];
  while (sides[0] % 2 === 0 && sides[0] / 2 >= LEAST_SIDE) sides.unshift(sides[0] / 2);
  return sides.slice(-TOLERANCES.length);
}

// Of places beyond the border: those mirrored at it.
function mirrored(place, side) {
  if (place < 0) return -1 - place;
  return place >= side ? 2 * side - 1 - place : place;
}

/** Means of windows of `window` pixels on a side; sums slide along each axis. */
export function box(image, side, window) {
  const reach = (window - 1) / 2;
  const rows = new Float32Array(image.length);
  for (let row = 0, i = 0; row < side; row++) {
    const start = row * side;
    let sum = 0;
    for (let k = -reach; k < reach; k++) sum += image[start + mirrored(k, side)];
    for (let column = 0; column < side; column++, i++) {
      sum += image[start + mirrored(column + reach, side)];
      rows[i] = sum / window;
      sum -= image[start + mirrored(column - reach, side)];
    }
  }
  const out = new Float32Array(image.length);
  const sums = new Float64Array(side);
  const add = (row, sign) => {
    const start = mirrored(row, side) * side;
    for (let column = 0; column < side; column++) sums[column] += sign * rows[start + column];
  };
  for (let k = -reach; k < reach; k++) add(k, 1);
  for (let row = 0, i = 0; row < side; row++) {
    add(row + reach, 1);
    for (let column = 0; column < side; column++, i++) out[i] = sums[column] / window;
    add(row - reach, -1);
  }
  return out;
}

// Weights 1, 2, 1 along both axes.
function softened(image, side) {
  const rows = new Float32Array(image.length);
  const out = new Float32Array(image.length);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const i = row * side + column;
      const left = column ? image[i - 1] : image[i];
      const right = column < side - 1 ? image[i + 1] : image[i];
      rows[i] = (left + 2 * image[i] + right) / 4;
    }
  }
  for (let row = 0; row < side; row++) {
    const above = row ? -side : 0;
    const below = row < side - 1 ? side : 0;
    for (let i = row * side; i < (row + 1) * side; i++) {
      out[i] = (rows[i + above] + 2 * rows[i] + rows[i + below]) / 4;
    }
  }
  return out;
}

const slopes = [0, 0];

// Change to the right and downwards, per pixel; the array is used again.
function gradientAt(image, side, i) {
  const column = i % side;
  const row = (i - column) / side;
  const left = column ? i - 1 : i;
  const right = column < side - 1 ? i + 1 : i;
  const above = row ? i - side : i;
  const below = row < side - 1 ? i + side : i;
  slopes[0] = (image[right] - image[left]) / 2;
  slopes[1] = (image[below] - image[above]) / 2;
  return slopes;
}

// The warp of what the inverse of the change gives.
function chainInverse(warp, change) {
  const [a, b, c, d, e, f, g, h] = change;
  // The inverse, but for its size.
  const back = [
    [e - f * h, c * h - b, b * f - c * e],
    [f * g - d, a - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  const chained = [0, 1, 2].flatMap((row) => {
    const own = [...warp, 1].slice(3 * row, 3 * row + 3);
    return [0, 1, 2].map((column) => own.reduce((sum, v, i) => sum + v * back[i][column], 0));
  });
  return chained.slice(0, 8).map((value) => value / chained[8]);
}
