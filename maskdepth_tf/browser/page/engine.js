// The Worker, and the one frame that it computes.

export class Engine {
  /**
   * @param {object} settings The page's.
   * @param {{remote: boolean}} options `remote` asks the server for every answer.
   */
  constructor(settings, { remote }) {
    const side = settings.image_size;
    this.side = side;
    const small = document.createElement("canvas");
    small.width = small.height = side;
    this.context = small.getContext("2d", { willReadFrequently: true });
    this.context.imageSmoothingQuality = "high";
    this.worker = new Worker("worker.js");
    this.waiting = new Map(); // number of a frame -> its promise's functions
    this.number = 0;
    this.ready = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        if (data.kind === "ready") resolve(data.runtime);
        else if (data.kind === "empty") this.settleBackground(data.depth);
        else if (data.number) this.settle(data);
        else reject(new Error(data.message));
      };
      this.worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message || "the page's Worker did not start"));
      };
    });
    this.worker.postMessage({ settings, model: "network.tflite", remote });
  }

  get isIdle() {
    return this.waiting.size === 0;
  }

  /**
   * Takes a background, anything that a canvas can draw; frames are `aspect` times as
   * wide as high. Gives its depth.
   */
  setBackground(source, aspect) {
    this.worker.postMessage({ kind: "background", pixels: this.shrink(source), aspect });
    return new Promise((resolve) => {
      this.settleBackground = resolve;
    });
  }

  /**
   * Answers a frame; `alone` says that it is no part of a film, `deep` that its depth is
   * wanted too.
   */
  answer(source, { alone = false, deep = false }) {
    const start = performance.now();
    const pixels = this.shrink(source);
    const shrunk = performance.now() - start;
    const number = ++this.number;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, {
        resolve: (found) => {
          found.milliseconds.shrink = shrunk;
          resolve(found);
        },
        reject,
      });
      const message = { kind: "frame", pixels, number, alone, deep };
      this.worker.postMessage(message, [pixels.buffer]);
    });
  }

  // RGBA bytes of the network's square.
  shrink(source) {
    const { side, context } = this;
    context.drawImage(source, 0, 0, side, side);
    return context.getImageData(0, 0, side, side).data;
  }

  settle(data) {
    const { resolve, reject } = this.waiting.get(data.number);
    this.waiting.delete(data.number);
    if (data.kind === "answer") resolve(data);
    else reject(new Error(data.message));
  }
}
