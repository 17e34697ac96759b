// How far a background fits its picture: the package's `registration/comparing.py`.

import { box, lumaOf, pool } from "./geometry.js";

/** Compares squares of `size` at `side` pixels; it keeps its buffers. */
export class Comparison {
  constructor(constants, size, side) {
    this.constants = constants;
    this.size = size;
    this.side = side;
    this.grey = new Float32Array(size * size);
    this.product = new Float32Array(side * side);
  }

  /**
   * Share of the background's details that the picture does not show, 0 to 1.
   *
   * @param {Float32Array} bg Interleaved RGB of 0 to 255, brought onto the picture.
   * @param {Float32Array} picture The same.
   */
  mismatch(bg, picture) {
    const { DETAIL, ALIKE, PRIOR } = this.constants;
    const [none, allOfIt] = ALIKE;
    const [ours, theirs] = [bg, picture].map((pixels) => this.greyOf(pixels));
    const mean = this.around(ours);
    const theirMean = this.around(theirs);
    const square = this.around(this.times(ours, ours));
    const theirSquare = this.around(this.times(theirs, theirs));
    const product = this.around(this.times(ours, theirs));
    let details = 0;
    let lost = 0;
    for (let i = 0; i < mean.length; i++) {
      const variance = square[i] - mean[i] ** 2;
      const detail = clipped(variance / DETAIL ** 2 - 0.5);
      if (detail === 0) continue;
      const theirVariance = theirSquare[i] - theirMean[i] ** 2;
      const covariance = product[i] - mean[i] * theirMean[i];
      const correlation = covariance / Math.sqrt(Math.max(variance * theirVariance, 1));
      details += detail;
      lost += detail * clipped((allOfIt - correlation) / (allOfIt - none));
    }
    const count = mean.length;
    return (lost / count + PRIOR * this.unlike(bg, picture)) / (details / count + PRIOR);
  }

  // Less 128: squares of tones up to 255 would lose what small variances differ by.
  greyOf(pixels) {
    lumaOf(pixels, this.grey);
    return pool(this.grey, this.size, this.side).map((tone) => tone - 128);
  }

  around(values) {
    return box(values, this.side, this.constants.AROUND);
  }

  times(one, other) {
    for (let i = 0; i < one.length; i++) this.product[i] = one[i] * other[i];
    return this.product;
  }

  /** Share of the pixels that differ, of those for which `counts` is true of their number. */
  unlike(bg, picture, counts = () => true) {
    let count = 0;
    let unlike = 0;
    for (let i = 0, k = 0; k < picture.length; i++, k += 3) {
      if (!counts(i)) continue;
      count++;
      if (difference(bg, picture, k) > this.constants.DIFFERENCE) unlike++;
    }
    return unlike / Math.max(count, 1);
  }
}

function clipped(share) {
  return Math.min(Math.max(share, 0), 1);
}

// Greatest difference of a channel, of the pixels that begin at `k`.
function difference(one, other, k) {
  return Math.max(
    Math.abs(one[k] - other[k]),
    Math.abs(one[k + 1] - other[k + 1]),
    Math.abs(one[k + 2] - other[k + 2]),
  );
}
