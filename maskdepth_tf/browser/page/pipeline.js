// From a frame's pixels to what is painted: registration, network, steadiness, edges.

import { apply, fitTo } from "./depth_of_room.js";
import { Edges } from "./edges.js";
import { Registration } from "./registering.js";
import { Steady } from "./steady.js";

// The camera is looked for in every sixth frame: it takes as long as the network.
const CAMERA_EVERY = 6;
const ABRUPT = 0.03; // growth of the residual from one frame to the next

export class Pipeline {
  constructor(settings, network) {
    const side = settings.image_size;
    this.side = side;
    this.network = network;
    this.registration = new Registration(settings, side);
    this.steady = new Steady(side);
    this.edges = new Edges(settings.matting, side);
    this.picture = new Float32Array(side * side * 3);
    this.mask = new Float32Array(side * side);
    this.depth = new Float32Array(side * side);
    this.room = new Float32Array(side * side); // depth of the empty scene
    this.frames = 0;
    this.residual = 0; // of the last frame that was like the one before it
    this.isDue = false;
  }

  /** Runs once, so that no frame waits for what is set up then. */
  async warm() {
    await this.network.run(this.picture, this.picture, this.mask, this.depth);
  }

  /**
   * Takes a background, RGBA bytes of side * side pixels, which was `aspect` times as
   * wide as high; gives its depth.
   */
  async setBackground(pixels, aspect) {
    const picture = this.read(pixels);
    this.registration.setBackground(picture, aspect);
    await this.network.run(picture, picture, this.mask, this.depth);
    this.room.set(this.depth);
    this.steady.reset();
    this.frames = 0;
    this.residual = 0;
    this.isDue = false;
    return this.room;
  }

  /**
   * Answers a frame, RGBA bytes of side * side pixels.
   *
   * @param {Uint8ClampedArray} pixels
   * @param {boolean} alone Whether it is no part of a film: nothing is smoothed.
   * @param {boolean} deep Whether its depth is wanted; otherwise that is null.
   */
  async answer(pixels, alone, deep) {
    const start = performance.now();
    const picture = this.read(pixels);
    const follow = alone || this.isDue || this.frames % CAMERA_EVERY === 0;
    const { bg, warp, light, mismatch } = this.registration.register(picture, follow);
    const registered = performance.now();
    if (alone) this.steady.reset();
    const found = deep ? this.depth : null;
    await this.network.run(bg, picture, this.mask, found);
    const answered = performance.now();
    const fit = deep ? fitTo(this.room, found, this.mask) : [1, 0];
    if (deep && !alone) apply(fit, found);
    const mask = this.steady.smoothMask(this.mask);
    const depth = this.steady.smoothDepth(found);
    const residual = this.registration.residual(picture, mask);
    // Something happened: what the camera did should be known with the next frame.
    this.isDue = !follow && residual > this.residual + ABRUPT;
    if (!this.isDue) this.residual = residual;
    const { cells, near } = this.edges.find(mask, picture);
    this.frames++;
    return {
      cells,
      near,
      depth,
      fit: alone ? fit : [1, 0],
      warp,
      light,
      mismatch,
      residual,
      followed: follow,
      coverage: share(mask),
      milliseconds: {
        registration: registered - start,
        network: answered - registered,
        edges: performance.now() - answered,
      },
    };
  }

  read(pixels) {
    const { picture } = this;
    for (let i = 0, k = 0; k < picture.length; i += 4, k += 3) {
      picture[k] = pixels[i];
      picture[k + 1] = pixels[i + 1];
      picture[k + 2] = pixels[i + 2];
    }
    return picture;
  }
}

function share(mask) {
  let count = 0;
  for (const value of mask) count += value >= 0.5 ? 1 : 0;
  return count / mask.length;
}
