// Draws frames and answers by the processor, where no graphics card does it.

import { Cutter } from "./cutter.js";
import { drawRelief } from "./splats.js";
import { STEEP, STEEP_IN_FRONT } from "./view_of_relief.js";

const SIDE_OF_SQUARES = 16;

export class CanvasPainter {
  /**
   * @param {HTMLCanvasElement} canvas What is drawn on.
   * @param {object} settings The page's.
   */
  constructor(canvas, settings) {
    this.kind = "the processor";
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.side = settings.image_size;
    this.cutter = new Cutter(settings.matting, this.side);
    this.depths = sheet(this.side, this.side);
    const image = this.depths.context.createImageData(this.side, this.side);
    this.depthImage = image;
    this.depthWords = new Uint32Array(image.data.buffer);
    const bytes = Uint8Array.from(settings.depth_colours.flat());
    this.palette = new Uint32Array(bytes.buffer);
    this.held = sheet(1, 1);
    this.taken = sheet(1, 1);
    this.behind = sheet(1, 1);
  }

  /** Sets the size of frames, in pixels. */
  resize(width, height) {
    const { canvas } = this;
    if (canvas.width === width && canvas.height === height && this.image) return;
    for (const one of [canvas, this.held.canvas, this.taken.canvas, this.behind.canvas]) {
      one.width = width;
      one.height = height;
    }
    this.cutter.resize(width, height);
    this.image = this.context.createImageData(width, height);
    this.words = new Uint32Array(this.image.data.buffer);
    this.cut = new Uint8ClampedArray(4 * width * height);
    this.squares = squares(width, height);
  }

  /** Keeps a frame until its answer comes; gives what draws it once more soonest. */
  hold(source) {
    this.held.context.drawImage(source, 0, 0, this.canvas.width, this.canvas.height);
    return this.held.canvas;
  }

  /** The frame that is held is the one to draw; another may be held meanwhile. */
  take() {
    [this.taken, this.held] = [this.held, this.taken];
  }

  /** The frame that is held is shown as it is. */
  showFrame() {
    this.context.drawImage(this.held.canvas, 0, 0);
  }

  setBackground(source) {
    this.background = this.pixels(source);
  }

  /** Takes the depth of the empty scene. */
  setRoom(depth) {
    this.room = depth;
  }

  /** What stands behind a cut-out. */
  setBackdrop(source) {
    this.backdrop = new Uint32Array(this.pixels(source).buffer);
  }

  /** Sets the answer to the frame that was taken. */
  setAnswer(answer) {
    const { width, height } = this.canvas;
    this.frame = this.taken.context.getImageData(0, 0, width, height).data;
    this.cut.set(this.frame);
    this.cutter.cut(this.cut, this.background, answer);
    this.depth = answer.depth;
    this.fit = answer.fit;
  }

  /** Draws a view of the last answer; as that of the other painter. */
  draw(look) {
    const { context, canvas, image, words } = this;
    if (look.view === "depth") {
      this.drawDepth();
      return;
    }
    if (look.view === "frame") image.data.set(this.frame);
    else if (look.view === "overlay") this.drawOverlay(look.tint);
    else if (look.view === "cutout") this.drawCut(look);
    else {
      const layers = [
        { depth: this.room, fit: [1, 0], pixels: this.background, least: 0, steep: STEEP },
        {
          ...{ depth: this.depth, fit: this.fit, pixels: this.cut },
          ...{ least: 128, steep: STEEP_IN_FRONT },
        },
      ];
      drawRelief(words, canvas, look.relief, layers, this.side);
    }
    context.putImageData(image, 0, 0);
  }

  /** The cut-out, RGBA bytes from the first row on, colours not multiplied by alpha. */
  readCut() {
    return new Uint8Array(this.cut);
  }

  // Bytes are taken from whole words, by integers: a third of what floats take.
  drawOverlay(tint) {
    const frames = new Uint32Array(this.frame.buffer);
    const cuts = new Uint32Array(this.cut.buffer);
    const { words } = this;
    const added = tint.map((value) => Math.round(255 * value * 0.38));
    const bright = tint.map((value) => Math.round(255 * (0.45 * value + 0.55)));
    const [red1, green1, blue1] = added;
    for (let i = 0; i < words.length; i++) {
      const word = frames[i];
      const alpha = cuts[i] >>> 24;
      const red = word & 255;
      const green = (word >> 8) & 255;
      const blue = (word >> 16) & 255;
      if (alpha === 0) {
        const grey = 36 * red + 70 * green + 13 * blue;
        words[i] = pack((grey + 40 * red) >> 8, (grey + 40 * green) >> 8, (grey + 40 * blue) >> 8);
      } else if (alpha === 255) {
        words[i] = pack(
          ((159 * red) >> 8) + red1,
          ((159 * green) >> 8) + green1,
          ((159 * blue) >> 8) + blue1,
        );
      } else {
        const grey = 36 * red + 70 * green + 13 * blue;
        const line = Math.min((4 * alpha * (255 - alpha)) / 65025, 1);
        const share = alpha / 255;
        words[i] = pack(
          edge(grey, red, added[0], bright[0], share, line),
          edge(grey, green, added[1], bright[1], share, line),
          edge(grey, blue, added[2], bright[2], share, line),
        );
      }
    }
  }

  drawCut({ plain, isChecked }) {
    const { words, cut, squares, backdrop } = this;
    const fronts = new Uint32Array(cut.buffer);
    const colour = plain[3] > 0 ? wordOf(plain) : null;
    const data = this.image.data;
    for (let i = 0; i < words.length; i++) {
      const k = 4 * i;
      const alpha = cut[k + 3];
      if (alpha === 255) {
        words[i] = fronts[i];
        continue;
      }
      words[i] = isChecked ? squares[i] : (colour ?? backdrop[i]);
      if (alpha === 0) continue;
      const share = alpha / 255;
      for (let c = k; c < k + 3; c++) data[c] += (cut[c] - data[c]) * share;
    }
  }

  drawDepth() {
    const { depth, palette, depthWords, depths, context, canvas } = this;
    const last = palette.length - 1;
    for (let i = 0; i < depth.length; i++) {
      depthWords[i] = palette[Math.round(Math.min(Math.max(depth[i], 0), 1) * last)];
    }
    depths.context.putImageData(this.depthImage, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(depths.canvas, 0, 0, canvas.width, canvas.height);
  }

  // RGBA bytes of a picture, as large as frames are.
  pixels(source) {
    const { canvas, context } = this.behind;
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  }
}

function sheet(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return { canvas, context: canvas.getContext("2d", { willReadFrequently: true }) };
}

// A channel between what is behind, dim, and in front, tinted, with a line at the edge.
function edge(grey, value, added, bright, share, line) {
  const dim = (grey + 40 * value) / 256;
  const shown = dim + (0.62 * value + added - dim) * share;
  return (shown + (bright - shown) * line + 0.5) | 0;
}

function pack(red, green, blue) {
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

function wordOf([red, green, blue]) {
  const bytes = Uint8Array.from([red, green, blue, 1], (value) => Math.round(255 * value));
  return new Uint32Array(bytes.buffer)[0];
}

function squares(width, height) {
  const [light, dark] = [0.98, 0.86].map((grey) => wordOf([grey, grey, grey]));
  const words = new Uint32Array(width * height);
  for (let i = 0; i < words.length; i++) {
    const row = Math.floor(i / width / SIDE_OF_SQUARES);
    const column = Math.floor((i % width) / SIDE_OF_SQUARES);
    words[i] = (row + column) % 2 ? light : dark;
  }
  return words;
}
