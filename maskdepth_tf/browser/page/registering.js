// A background as the camera of its picture would have taken it.
//
// The same steps as the package's `registration/registering.py`. Pictures are
// interleaved RGB of 0 to 255, Float32Array of size * size * 3.

import { doubled, Geometry, insideOf, isStill, resample } from "./geometry.js";
import { applyLight, Light, sameLight } from "./light.js";

const STILL = [1, 0, 0, 0, 1, 0];
const SURELY_BEHIND = 0.1;

/** Brings one background onto picture after picture; `size` is their side. */
export class Registration {
  constructor(settings, size) {
    this.constants = settings.registering;
    this.doubt = settings.light.DOUBT;
    this.size = size;
    this.geometry = new Geometry(settings.geometry, size);
    this.light = new Light(settings.light, size);
    this.lit = new Float32Array(size * size * 3);
    this.registered = new Float32Array(size * size * 3);
  }

  /** Takes the background; the camera then counts as still. */
  setBackground(pixels) {
    this.bg = Float32Array.from(pixels);
    this.twice = doubled(this.bg, this.size, 3);
    this.geometry.setBackground(this.bg);
    this.move(STILL);
  }

  /**
   * Brings the background onto a picture.
   *
   * @param {Float32Array} picture Its pixels.
   * @param {boolean} follow Whether to look for the camera, which takes time; else it
   *   is where it was.
   * @returns {{bg: Float32Array, warp: number[], light: object, mismatch: number}} The
   *   background, the warp, the change of light that was believed, and the share of
   *   pixels that do not fit. Arrays are used again.
   */
  register(picture, follow) {
    this.geometry.setPicture(picture);
    if (follow) this.move(this.geometry.estimate());
    const agreement = this.geometry.agreement(this.warp);
    const side = this.geometry.sides[0];
    const change = this.light.estimate(picture, agreement, side);
    applyLight(this.moved, this.size, change, this.lit);
    this.unclip(picture);
    const gains = this.believes(picture, agreement, side);
    const chosen = gains ? this.lit : this.moved;
    for (let i = 0; i < this.inside.length; i++) {
      const from = this.inside[i] ? chosen : picture;
      for (let k = 3 * i; k < 3 * i + 3; k++) this.registered[k] = Math.round(from[k]);
    }
    const light = gains ? change : sameLight();
    const bg = this.registered;
    return { bg, warp: this.warp, light, mismatch: this.mismatch(picture) };
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
    this.inside = insideOf(warp, this.size, 0);
    this.light.setBackground(this.moved, this.geometry.sides[0]);
  }

  // What is clipped has lost how far it went: it goes as far as the picture's.
  unclip(picture) {
    const [darkest, brightest] = this.constants.CLIPPED;
    const { moved, lit } = this;
    for (let i = 0; i < lit.length; i++) {
      const beyond =
        (moved[i] >= brightest && picture[i] >= lit[i]) ||
        (moved[i] <= darkest && picture[i] <= lit[i]);
      if (beyond) lit[i] = picture[i];
    }
  }

  // Whether the pictures differ less in the other light.
  believes(picture, agreement, side) {
    const { DIFFERENCE, GAIN } = this.constants;
    const { moved, lit, size } = this;
    const step = size / side;
    let before = 0;
    let after = 0;
    for (let i = 0, k = 0; i < size * size; i++, k += 3) {
      if (!this.inside[i]) continue;
      const row = Math.floor(i / size / step);
      const trust = agreement[row * side + Math.floor((i % size) / step)];
      const weight = this.doubt + trust;
      before += weight * Math.min(difference(moved, picture, k), DIFFERENCE);
      after += weight * Math.min(difference(lit, picture, k), DIFFERENCE);
    }
    return after < (1 - GAIN) * before;
  }

  /** Share of what is surely not in front that does not fit all the same, 0 to 1. */
  residual(picture, mask) {
    let count = 0;
    let unlike = 0;
    for (let i = 0, k = 0; i < mask.length; i++, k += 3) {
      if (mask[i] >= SURELY_BEHIND) continue;
      count++;
      if (difference(this.registered, picture, k) > this.constants.DIFFERENCE) unlike++;
    }
    return unlike / Math.max(count, 1);
  }

  mismatch(picture) {
    let count = 0;
    for (let k = 0; k < picture.length; k += 3) {
      if (difference(this.registered, picture, k) > this.constants.DIFFERENCE) count++;
    }
    return (3 * count) / picture.length;
  }
}

/** Greatest difference of a channel, of the pixels that begin at `k`. */
export function difference(one, other, k) {
  return Math.max(
    Math.abs(one[k] - other[k]),
    Math.abs(one[k + 1] - other[k + 1]),
    Math.abs(one[k + 2] - other[k + 2]),
  );
}
