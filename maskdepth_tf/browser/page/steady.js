// Steady over time: answers are smoothed more where they disagree less.
//
// A mask that moves is not held back, one that flickers by a few hundredths is:
//
//     shown += w (new - shown)    w = LEAST + (1 - LEAST) min(1, |new - shown| / SURE)

const LEAST = 0.35;
const SURE = 0.3;
const DEPTH_SURE = 0.08;

export class Steady {
  constructor(side) {
    this.mask = new Float32Array(side * side);
    this.depth = new Float32Array(side * side);
    this.reset();
  }

  /** Forgets; the next answer is shown as it is. */
  reset() {
    this.isNew = { mask: true, depth: true };
  }

  /** Takes a mask; returns the one that is shown, in an array that is used again. */
  smoothMask(mask) {
    return this.smooth("mask", mask, SURE);
  }

  /** The same of a depth; null where there is none, which ends what was. */
  smoothDepth(depth) {
    if (depth) return this.smooth("depth", depth, DEPTH_SURE);
    this.isNew.depth = true;
    return null;
  }

  smooth(name, fresh, sure) {
    if (this.isNew[name]) this[name].set(fresh);
    else blend(this[name], fresh, sure);
    this.isNew[name] = false;
    return this[name];
  }
}

function blend(shown, fresh, sure) {
  for (let i = 0; i < shown.length; i++) {
    const change = fresh[i] - shown[i];
    shown[i] += change * (LEAST + (1 - LEAST) * Math.min(1, Math.abs(change) / sure));
  }
}
