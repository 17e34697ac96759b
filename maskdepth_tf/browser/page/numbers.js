// The numbers beside the picture: means of the last frames, written twice a second.

import { movement, relighting } from "./watch.js";

const EVERY = 500; // ms
const RUNTIMES = { browser: "this browser (LiteRT.js)", server: "the server" };

export class Numbers {
  constructor({ describing }, find) {
    this.constants = describing;
    this.find = find;
    this.reset();
  }

  reset() {
    this.frames = [];
    this.written = -Infinity;
  }

  setRuntime(runtime) {
    this.find("runtime").textContent = RUNTIMES[runtime];
  }

  setPainter(kind) {
    this.find("drawn-by").textContent = kind;
  }

  see(answer, width, height) {
    const now = performance.now();
    this.frames.push({ now, ...answer.milliseconds });
    while (this.frames.length > 60) this.frames.shift();
    if (now - this.written < EVERY) return;
    this.written = now;
    const { frames } = this;
    const seconds = (now - frames[0].now) / 1000;
    const rate = seconds ? ((frames.length - 1) / seconds).toFixed(0) : "–";
    const took = frames.at(-1).all ? `${this.mean("all")} ms` : "–";
    this.write("rate", rate);
    this.write("took", took);
    this.write("pace", `${rate} frames a second, ${took}`);
    this.write("network-took", `${this.mean("network")} ms`);
    this.write("coverage", `${(100 * answer.coverage).toFixed(0)} %`);
    this.write("camera-did", movement(answer.warp, width, height, this.constants));
    this.write("light-did", relighting(answer.light, this.constants));
  }

  mean(name) {
    const sum = this.frames.reduce((total, frame) => total + frame[name], 0);
    return (sum / this.frames.length).toFixed(1);
  }

  write(id, text) {
    const element = this.find(id);
    if (element.textContent !== text) element.textContent = text;
  }
}
