// The background: the mean of some frames, which has a quarter of their noise.

const FRAMES = 15;

/** Means frames, one after the other. */
export class Averager {
  constructor(width, height) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.sum = new Float32Array(4 * width * height);
    this.count = 0;
  }

  get progress() {
    return this.count / FRAMES;
  }

  get isDone() {
    return this.count >= FRAMES;
  }

  add(source) {
    const { width, height } = this.canvas;
    this.context.drawImage(source, 0, 0, width, height);
    const { data } = this.context.getImageData(0, 0, width, height);
    for (let i = 0; i < data.length; i++) this.sum[i] += data[i];
    this.count++;
  }

  /** The mean, as a canvas. */
  finish() {
    const { width, height } = this.canvas;
    const mean = this.context.createImageData(width, height);
    for (let i = 0; i < mean.data.length; i++) {
      mean.data[i] = Math.round(this.sum[i] / this.count);
    }
    this.context.putImageData(mean, 0, 0);
    return this.canvas;
  }
}

/** A picture blurred as a lens would, roughly: small, and large again. */
export function blurred(source, width, height) {
  const make = (w, h) => {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(w));
    canvas.height = Math.max(1, Math.round(h));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    return { canvas, context };
  };
  let from = source;
  for (const share of [1 / 4, 1 / 12, 1 / 24, 1 / 12, 1 / 4, 1]) {
    const { canvas, context } = make(width * share, height * share);
    context.drawImage(from, 0, 0, canvas.width, canvas.height);
    from = canvas;
  }
  return from;
}
