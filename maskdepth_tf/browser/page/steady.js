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
    this.isNew = true;
  }

  /** Forgets; the next answer is shown as it is. */
  reset() {
    this.isNew = true;
  }

  /** Takes an answer; returns what is shown, in arrays that are used again. */
  smooth(mask, depth) {
    if (this.isNew) {
      this.mask.set(mask);
      this.depth.set(depth);
      this.isNew = false;
    } else {
      blend(this.mask, mask, SURE);
      blend(this.depth, depth, DEPTH_SURE);
    }
    return { mask: this.mask, depth: this.depth };
  }
}

function blend(shown, fresh, sure) {
  for (let i = 0; i < shown.length; i++) {
    const change = fresh[i] - shown[i];
    shown[i] += change * (LEAST + (1 - LEAST) * Math.min(1, Math.abs(change) / sure));
  }
}
