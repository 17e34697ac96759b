// A background as the camera of its picture would have taken it.
//
// The same steps as the package's `registration/registering.py`. Pictures are
// interleaved RGB of 0 to 255, Float32Array of size * size * 3.

import { Comparison } from "./comparing.js";
import { doubled, Geometry, insideOf, isStill, resample, STILL } from "./geometry.js";
import { Light, sameLight } from "./light.js";

const SURELY_BEHIND = 0.1;

/** Brings one background onto picture after picture; `size` is their side. */
export class Registration {
  constructor(settings, size) {
    this.constants = settings.registering;
    this.doubt = settings.light.DOUBT;
    this.size = size;
    this.geometry = new Geometry(settings.geometry, size);
    this.light = new Light(settings.light, size);
    this.comparison = new Comparison(settings.comparing, size, this.geometry.sides.at(-1));
    this.lit = new Float32Array(size * size * 3);
    this.registered = new Float32Array(size * size * 3);
    this.roots = new Float32Array(size * size * 3); // of the tones of `moved`
  }

  /** Takes the background, as `Geometry` does; the camera then counts as still. */
  setBackground(pixels, aspect) {
    this.bg = Float32Array.from(pixels);
    this.twice = doubled(this.bg, this.size, 3);
    this.geometry.setBackground(this.bg, aspect);
    this.move(STILL);
  }

  /**
   * Brings the background onto a picture.
   *
   * @param {Float32Array} picture Its pixels.
   * @param {boolean} follow Whether to look for the camera, and how far the background
   *   fits, which takes time; else that is as it was.
   * @returns {{bg: Float32Array, warp: number[], light: object, mismatch: number}} The
   *   background, the warp, the change of light that was believed, and the mismatch.
   *   Arrays are used again.
   */
  register(picture, follow) {
    this.geometry.setPicture(picture);
    if (follow) this.move(this.geometry.estimate());
    const agreement = this.geometry.agreement(this.warp);
    const side = this.geometry.sides[0];
    const change = this.light.estimate(picture, agreement, side);
    const gains = this.relight(picture, change, agreement, side);
    this.choose(gains ? this.lit : this.moved, picture);
    if (follow) this.mismatch = this.comparison.mismatch(this.registered, picture);
    const light = gains ? change : sameLight();
    return { bg: this.registered, warp: this.warp, light, mismatch: this.mismatch };
  }

  move(warp) {
    if (this.warp && warp.every((value, i) => value === this.warp[i]) && this.isOf === this.bg) {
      return;
    }
    this.isOf = this.bg;
    this.warp = warp;
    this.moved = this.bg;
    if (!isStill(warp)) {
      this.moved = resample(this.twice, 2 * this.size, warp, this.size, 3);
      for (let i = 0; i < this.moved.length; i++) {
        this.moved[i] = Math.min(Math.max(this.moved[i], 0), 255);
      }
    }
    for (let k = 0; k < this.roots.length; k++) this.roots[k] = Math.sqrt(this.moved[k] / 255);
    this.inside = insideOf(warp, this.size, 0);
    this.light.setBackground(this.moved, this.geometry.sides[0]);
  }

  // Puts the background in another light, and tells whether the pictures then differ
  // less. What is clipped has lost how far it went: it goes as far as the picture's.
  relight(picture, { curves, gain }, agreement, side) {
    const { CLIPPED, GAIN } = this.constants;
    const { DIFFERENCE } = this.comparison.constants;
    const [darkest, brightest] = CLIPPED;
    const { moved, roots, lit, size, inside, doubt } = this;
    const step = size / side;
    let before = 0;
    let after = 0;
    for (let row = 0, i = 0, k = 0; row < size; row++) {
      const y = 2 * ((row + 0.5) / size - 0.5);
      const even = 1 + gain[1] * y + gain[4] * y * y;
      const slope = gain[0] + gain[3] * y;
      const line = Math.floor(row / step) * side;
      for (let column = 0; column < size; column++, i++) {
        const x = 2 * ((column + 0.5) / size - 0.5);
        const field = even + slope * x + gain[2] * x * x;
        let was = 0;
        let is = 0;
        for (let c = 0; c < 3; c++, k++) {
          const curve = curves[c];
          const from = moved[k];
          const to = picture[k];
          const tone = from / 255;
          const value = curve[0] + curve[1] * roots[k] + (curve[2] + curve[3] * tone) * tone;
          let other = 255 * Math.min(Math.max(value * field, 0), 1);
          if ((from >= brightest && to >= other) || (from <= darkest && to <= other)) other = to;
          lit[k] = other;
          was = Math.max(was, Math.abs(from - to));
          is = Math.max(is, Math.abs(other - to));
        }
        if (inside[i] === 0) continue;
        const weight = doubt + agreement[line + Math.floor(column / step)];
        before += weight * Math.min(was, DIFFERENCE);
        after += weight * Math.min(is, DIFFERENCE);
      }
    }
    return after < (1 - GAIN) * before;
  }

  // Whole numbers, the picture's own where the background does not reach.
  choose(chosen, picture) {
    const { registered, inside } = this;
    for (let i = 0, k = 0; i < inside.length; i++, k += 3) {
      const from = inside[i] ? chosen : picture;
      registered[k] = Math.round(from[k]);
      registered[k + 1] = Math.round(from[k + 1]);
      registered[k + 2] = Math.round(from[k + 2]);
    }
  }

  /** Share of what is surely not in front that does not fit all the same, 0 to 1. */
  residual(picture, mask) {
    const isBehind = (i) => mask[i] < SURELY_BEHIND;
    return this.comparison.unlike(this.registered, picture, isBehind);
  }
}
