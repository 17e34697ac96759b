// Files for the user: mask, depth, cut-out, and a short recording.

import { encode } from "./png.js";

const LONGEST_RECORDING = 20_000; // ms
const BITS_A_SECOND = 5e6;
const KINDS = ["mp4;codecs=avc1", "webm;codecs=vp9", "webm;codecs=vp8", "webm"];

/** 8-bit grey, 255 is foreground; of a cut-out's RGBA bytes. */
export function maskFile(cut, width, height) {
  const alpha = Uint8Array.from({ length: width * height }, (_, i) => cut[4 * i + 3]);
  return encode(alpha, width, height, "grey");
}

/** RGBA, the mask as alpha; nothing of the room is in it. */
export function cutoutFile(cut, width, height) {
  const words = new Uint32Array(cut.buffer);
  for (let i = 0; i < words.length; i++) {
    if (cut[4 * i + 3] === 0) words[i] = 0;
  }
  return encode(cut, width, height, "rgba");
}

/** 16-bit grey of the picture's size, 65535 is far; of depth from 0 to 1. */
export function depthFile(depth, side, width, height) {
  const values = new Uint16Array(width * height);
  for (let row = 0; row < height; row++) {
    const [top, low, down] = between(row, height, side);
    for (let column = 0; column < width; column++) {
      const [left, next, right] = between(column, width, side);
      const upper = mix(depth[top * side + left], depth[top * side + next], right);
      const lower = mix(depth[low * side + left], depth[low * side + next], right);
      const far = Math.min(Math.max(mix(upper, lower, down), 0), 1);
      values[row * width + column] = Math.round(65535 * far);
    }
  }
  return encode(values, width, height, "grey");
}

/** Lets the browser save a file. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Records a canvas until `stop`, or for a while. */
export class Recording {
  static get canRecord() {
    return typeof MediaRecorder === "function" && "captureStream" in HTMLCanvasElement.prototype;
  }

  constructor(canvas) {
    const types = KINDS.map((kind) => `video/${kind}`);
    const mimeType = types.find((type) => MediaRecorder.isTypeSupported(type));
    const options = { mimeType, videoBitsPerSecond: BITS_A_SECOND };
    this.recorder = new MediaRecorder(canvas.captureStream(), options);
    const parts = [];
    this.recorder.ondataavailable = ({ data }) => parts.push(data);
    this.done = new Promise((resolve) => {
      this.recorder.onstop = () => resolve(new Blob(parts, { type: this.recorder.mimeType }));
    });
    this.recorder.start(1000);
    this.timer = setTimeout(() => this.stop(), LONGEST_RECORDING);
  }

  stop() {
    clearTimeout(this.timer);
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  get ending() {
    return this.recorder.mimeType.includes("mp4") ? "mp4" : "webm";
  }
}

// The two cells that a pixel lies between, and how far it is on the way.
function between(pixel, count, side) {
  const place = Math.min(Math.max(((pixel + 0.5) * side) / count - 0.5, 0), side - 1);
  const first = Math.min(Math.floor(place), side - 2);
  return [first, first + 1, place - first];
}

function mix(one, other, share) {
  return one + (other - one) * share;
}
