// How the light changed between two aligned pictures of one place.
//
// The same steps as the package's `registration/light.py`: for each channel a curve of
// tones, times a gain that varies slowly over the picture. A change of light is
// { curves: [3][4], gain: [5] }. Pictures are interleaved RGB of 0 to 255.

import { pool, solve } from "./geometry.js";

const SAME = [0, 0, 1, 0];

/** No change of light. */
export function sameLight() {
  return { curves: [SAME, SAME, SAME], gain: [0, 0, 0, 0, 0] };
}

/** Fits changes of light; `size` is the side of pictures. */
export class Light {
  constructor(constants, size) {
    this.constants = constants;
    this.size = size;
  }

  /** Takes the background, aligned to its pictures. */
  setBackground(moved, agreementSide) {
    let side = this.size;
    while (side % 2 === 0 && side / 2 >= this.constants.SIDE) side /= 2;
    this.side = Math.min(side, agreementSide);
    const n = this.side ** 2;
    const tones = pool(moved, this.size, this.side, 3);
    this.terms = [0, 1, 2].map((channel) => {
      const [root, tone, square] = [0, 1, 2].map(() => new Float32Array(n));
      for (let i = 0; i < n; i++) {
        tone[i] = tones[3 * i + channel] / 255;
        root[i] = Math.sqrt(tone[i]);
        square[i] = tone[i] * tone[i];
      }
      return [new Float32Array(n).fill(1), root, tone, square];
    });
    this.shape = Array.from({ length: 5 }, () => new Float32Array(n));
    for (let i = 0; i < n; i++) {
      const x = 2 * (((i % this.side) + 0.5) / this.side - 0.5);
      const y = 2 * ((Math.floor(i / this.side) + 0.5) / this.side - 0.5);
      [x, y, x * x, x * y, y * y].forEach((value, k) => (this.shape[k][i] = value));
    }
    this.weight = [0, 1, 2].map(() => new Float32Array(n));
    this.aim = [0, 1, 2].map(() => new Float32Array(n));
    this.tone = [0, 1, 2].map(() => new Float32Array(n));
    this.field = new Float32Array(n);
    this.trust = new Float32Array(n);
  }

  /** The change of light from the background to a picture. */
  estimate(picture, agreement, agreementSide) {
    const { CLEAR, DOUBT, STRICTNESS } = this.constants;
    const { side, terms, weight, aim, tone, field, trust } = this;
    const n = side * side;
    const small = pool(picture, this.size, side, 3);
    const pooled = pool(agreement, agreementSide, side);
    const [least, most] = CLEAR;
    for (let i = 0; i < n; i++) trust[i] = DOUBT + pooled[i];
    for (let c = 0; c < 3; c++) {
      for (let i = 0; i < n; i++) {
        aim[c][i] = small[3 * i + c] / 255;
        const from = terms[c][2][i];
        const to = aim[c][i];
        const clear = from > least && from < most && to > least && to < most;
        weight[c][i] = clear ? trust[i] : 0;
      }
    }
    field.fill(1);
    let curves;
    let gain;
    for (const strictness of STRICTNESS) {
      curves = terms.map((term, c) => this.fitCurve(term, aim[c], weight[c]));
      for (let c = 0; c < 3; c++) {
        const [a, b, d, e] = curves[c];
        const [, root, plain, square] = terms[c];
        for (let i = 0; i < n; i++) {
          tone[c][i] = a + b * root[i] + d * plain[i] + e * square[i];
        }
      }
      gain = this.fitGain();
      this.weigh(gain, strictness);
    }
    return { curves, gain };
  }

  // Least squares of one channel's curve.
  fitCurve(term, aim, weight) {
    const prior = this.prior(this.constants.CURVE_DEVIATIONS);
    const normal = new Float64Array(16);
    const moved = new Float64Array(4);
    const value = new Float64Array(4);
    for (let i = 0; i < aim.length; i++) {
      const w = weight[i];
      if (!w) continue;
      for (let k = 0; k < 4; k++) value[k] = term[k][i] * this.field[i];
      for (let k = 0; k < 4; k++) {
        const weighted = w * value[k];
        moved[k] += weighted * aim[i];
        for (let l = k; l < 4; l++) normal[k * 4 + l] += weighted * value[l];
      }
    }
    return finish(normal, moved, prior, SAME);
  }

  // Of all channels at once.
  fitGain() {
    const prior = this.prior(this.constants.GAIN_DEVIATIONS);
    const normal = new Float64Array(25);
    const moved = new Float64Array(5);
    const { shape, weight, tone, aim } = this;
    for (let i = 0; i < shape[0].length; i++) {
      let square = 0;
      let rest = 0;
      for (let c = 0; c < 3; c++) {
        const weighted = weight[c][i] * tone[c][i];
        square += weighted * tone[c][i];
        rest += weighted * (aim[c][i] - tone[c][i]);
      }
      if (!square) continue;
      for (let k = 0; k < 5; k++) {
        const value = shape[k][i];
        moved[k] += value * rest;
        for (let l = k; l < 5; l++) normal[k * 5 + l] += value * square * shape[l][i];
      }
    }
    return finish(normal, moved, prior, [0, 0, 0, 0, 0]);
  }

  // Weights of the next round, which fall as a pixel's difference grows.
  weigh(gain, strictness) {
    const { shape, weight, tone, aim, field, trust } = this;
    for (let i = 0; i < field.length; i++) {
      field[i] = 1;
      for (let k = 0; k < 5; k++) field[i] += gain[k] * shape[k][i];
      let error = 0;
      for (let c = 0; c < 3; c++) {
        if (!weight[c][i]) continue; // clipped in this channel
        error = Math.max(error, Math.abs(tone[c][i] * field[i] - aim[c][i]));
      }
      const far = 1 + (error / strictness) ** 2;
      for (let c = 0; c < 3; c++) {
        if (weight[c][i]) weight[c][i] = trust[i] / (far * far);
      }
    }
  }

  prior(deviations) {
    const { NOISE, INDEPENDENT } = this.constants;
    return deviations.map((deviation) => NOISE ** 2 / INDEPENDENT / deviation ** 2);
  }
}

function finish(normal, moved, prior, expected) {
  const n = moved.length;
  for (let k = 0; k < n; k++) {
    for (let l = 0; l < k; l++) normal[k * n + l] = normal[l * n + k];
    normal[k * n + k] += prior[k];
    moved[k] += prior[k] * expected[k];
  }
  return Array.from(solve(normal, moved));
}
