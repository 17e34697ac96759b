// Draws frames and answers without WebGL: masks are stretched, not sharpened.

export class CanvasPainter {
  constructor(canvas, settings) {
    this.kind = "Canvas 2D";
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.side = settings.image_size;
    this.palette = settings.depth_colours;
    const square = () => sheet(this.side, this.side);
    this.layers = { mask: square(), depth: square() };
    this.pixels = this.layers.mask.context.createImageData(this.side, this.side);
    this.frame = sheet(1, 1);
    this.held = sheet(1, 1);
    this.cut = sheet(1, 1);
  }

  resize(width, height) {
    const canvases = [this.canvas, this.frame.canvas, this.held.canvas, this.cut.canvas];
    for (const canvas of canvases) {
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
  }

  hold(source) {
    this.stretch(this.held.context, source);
  }

  showFrame() {
    this.swap();
    this.draw({ view: "frame" });
  }

  setBackground() {} // sharpens edges elsewhere

  setBackdrop(source) {
    this.backdrop = source;
  }

  setAnswer({ cells, depth }) {
    this.swap();
    this.fill(this.layers.mask, (bytes, i) => {
      bytes[4 * i + 3] = 255 * cells[4 * i];
    });
    this.fill(this.layers.depth, (bytes, i) => {
      const place = Math.round(depth[i] * (this.palette.length - 1));
      bytes.set(this.palette[place], 4 * i);
    });
    const { context } = this.cut;
    context.globalCompositeOperation = "copy";
    this.stretch(context, this.layers.mask.canvas);
    context.globalCompositeOperation = "source-in";
    context.drawImage(this.frame.canvas, 0, 0);
  }

  draw({ view, plain, isChecked, tint }) {
    const { context, canvas } = this;
    const { width, height } = canvas;
    if (view === "depth" || view === "relief") {
      this.stretch(context, this.layers.depth.canvas);
      return;
    }
    this.stretch(context, this.frame.canvas);
    if (view === "overlay") {
      context.fillStyle = "rgb(10 12 16 / 0.5)";
      context.fillRect(0, 0, width, height);
      context.drawImage(this.cut.canvas, 0, 0);
      context.globalCompositeOperation = "source-atop";
      this.tintCut(tint);
      context.globalCompositeOperation = "source-over";
    } else if (view === "cutout") {
      if (isChecked) this.drawSquares();
      else if (plain[3] > 0) {
        context.fillStyle = css(plain);
        context.fillRect(0, 0, width, height);
      } else if (this.backdrop) this.stretch(context, this.backdrop);
      context.drawImage(this.cut.canvas, 0, 0);
    }
  }

  /** The cut-out, RGBA bytes from the first row on. */
  readCut() {
    const { canvas, context } = this.cut;
    return new Uint8Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  }

  tintCut(tint) {
    const { canvas, context } = this.held; // is drawn anew with the next frame
    context.globalCompositeOperation = "copy";
    context.drawImage(this.cut.canvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = css([...tint, 0.38]);
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
    this.context.drawImage(canvas, 0, 0);
  }

  drawSquares() {
    const { context, canvas } = this;
    const side = 16;
    for (let y = 0; y < canvas.height; y += side) {
      for (let x = 0; x < canvas.width; x += side) {
        context.fillStyle = (x + y) % (2 * side) ? "#fafafa" : "#dbdbdb";
        context.fillRect(x, y, side, side);
      }
    }
  }

  fill({ canvas, context }, set) {
    const { data } = this.pixels;
    for (let i = 0; i < canvas.width * canvas.height; i++) set(data, i);
    context.putImageData(this.pixels, 0, 0);
  }

  stretch(context, source) {
    context.drawImage(source, 0, 0, context.canvas.width, context.canvas.height);
  }

  swap() {
    [this.frame, this.held] = [this.held, this.frame];
  }
}

function sheet(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return { canvas, context: canvas.getContext("2d", { willReadFrequently: true }) };
}

function css([red, green, blue, alpha]) {
  const [r, g, b] = [red, green, blue].map((value) => Math.round(255 * value));
  return `rgb(${r} ${g} ${b} / ${alpha})`;
}
