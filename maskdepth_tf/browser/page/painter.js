// Draws frames and answers with WebGL2: the mask made sharp, views, the relief.

import { DISTANCE, matrixOf, STEEP, STEEP_IN_FRONT, STRENGTH } from "./view_of_relief.js";
import { cutShader, RELIEF, RELIEF_VERTEX, VERTEX, VIEW } from "./shaders.js";

const VIEWS = { frame: 0, overlay: 1, cutout: 2, depth: 3 };
const NAMES = "frame held background backdrop cells near depth room palette".split(" ");
const SIDE_OF_SQUARES = 16;

export class Painter {
  /**
   * @param {HTMLCanvasElement} canvas What is drawn on.
   * @param {object} settings The page's.
   * @param {boolean} isForced Whether to draw with it even if no graphics card does it,
   *   which takes ten times as long as the other painter.
   * @throws If there is no WebGL2.
   */
  constructor(canvas, settings, isForced) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      preserveDrawingBuffer: true, // a picture of the page shows it too
      failIfMajorPerformanceCaveat: !isForced,
    });
    if (!gl) throw new Error("no WebGL2");
    if (!isForced && isSoftware(gl)) throw new Error("WebGL2 by the processor");
    this.kind = "the graphics card (WebGL2)";
    this.canvas = canvas;
    this.gl = gl;
    this.side = settings.image_size;
    this.cutter = program(gl, VERTEX, cutShader(settings.matting));
    this.viewer = program(gl, VERTEX, VIEW);
    this.reliever = program(gl, RELIEF_VERTEX, RELIEF);
    this.textures = Object.fromEntries(NAMES.map((name) => [name, texture(gl, name)]));
    this.framebuffer = gl.createFramebuffer();
    this.cut = texture(gl, "cut");
    this.square = gl.createVertexArray();
    gl.bindVertexArray(this.square);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.makeGrid();
    this.weigh(settings.matting.layers);
    const palette = settings.depth_colours;
    this.put("palette", Uint8Array.from(palette.flat()), palette.length, 1);
    this.put("backdrop", new Uint8Array([32, 34, 40, 255]), 1, 1);
  }

  /** Sets the size of frames, in pixels. */
  resize(width, height) {
    const { gl, canvas } = this;
    if (canvas.width === width && canvas.height === height && this.sized) return;
    this.sized = true;
    canvas.width = width;
    canvas.height = height;
    gl.bindTexture(gl.TEXTURE_2D, this.cut);
    gl.texImage2D(
      ...[gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null],
    );
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    const target = [gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.cut, 0];
    gl.framebufferTexture2D(...target);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  /** Keeps a frame until its answer comes; gives what draws it once more soonest. */
  hold(source) {
    this.upload("held", source);
    return source;
  }

  /** The frame that is held is the one to draw; another may be held meanwhile. */
  take() {
    const { textures } = this;
    [textures.frame, textures.held] = [textures.held, textures.frame];
  }

  /** The frame that is held is shown as it is. */
  showFrame() {
    this.take();
    this.draw({ view: "frame" });
  }

  setBackground(source) {
    this.upload("background", source);
  }

  /** Takes the depth of the empty scene. */
  setRoom(depth) {
    this.put("room", depth, this.side, this.side);
  }

  /** What stands behind a cut-out. */
  setBackdrop(source) {
    this.upload("backdrop", source);
  }

  /** Sets the answer to the frame that was taken. */
  setAnswer({ cells, near, depth, fit, warp, light }) {
    const { gl, side } = this;
    this.fit = fit;
    this.put("cells", cells, side, side);
    this.put("near", near, side, side);
    if (depth) this.put("depth", depth, side, side);
    this.use(this.cutter, ["frame", "background", "cells", "near"]);
    const { width, height } = this.canvas;
    gl.uniform2f(this.cutter.at("size"), width, height);
    gl.uniformMatrix3fv(this.cutter.at("warp"), true, [...warp, 1]);
    gl.uniform4fv(this.cutter.at("curves"), light.curves.flat());
    gl.uniform1fv(this.cutter.at("gain"), light.gain);
    gl.uniform1f(this.cutter.at("upright"), 1);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    this.fill();
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  /**
   * Draws a view of the last answer.
   *
   * @param {{view: string, plain: number[], isChecked: boolean, tint: number[],
   *   relief: object}} look `view` is frame, overlay, cutout, depth or relief; `plain`
   *   the colour behind a cut-out, RGBA of 0 to 1.
   */
  draw(look) {
    if (look.view === "relief") {
      this.drawRelief(look.relief);
      return;
    }
    const { gl, viewer } = this;
    this.use(viewer, ["frame", "cut", "backdrop", "depth", "palette"]);
    gl.uniform1i(viewer.at("view"), VIEWS[look.view]);
    gl.uniform3fv(viewer.at("tint"), look.tint ?? [0, 0, 0]);
    gl.uniform4fv(viewer.at("plain"), look.plain ?? [0, 0, 0, 1]);
    gl.uniform1f(viewer.at("checked"), look.isChecked ? SIDE_OF_SQUARES : 0);
    gl.uniform2f(viewer.at("size"), this.canvas.width, this.canvas.height);
    gl.uniform1f(viewer.at("upright"), -1);
    this.fill();
  }

  /** The cut-out, RGBA bytes from the first row on, colours not multiplied by alpha. */
  readCut() {
    const { gl } = this;
    const { width, height } = this.canvas;
    const pixels = new Uint8Array(4 * width * height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return pixels;
  }

  drawRelief({ back, ...eye }) {
    const { gl } = this;
    const { width, height } = this.canvas;
    gl.viewport(0, 0, width, height);
    gl.clearColor(...back, 1);
    gl.enable(gl.DEPTH_TEST);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    // The room, and before it what is in front.
    this.drawLayer("background", "room", [1, 0], eye, 0);
    this.drawLayer("frame", "depth", this.fit, eye, 0.5);
    gl.disable(gl.DEPTH_TEST);
  }

  drawLayer(colours, depth, fit, eye, least) {
    const { gl, reliever, canvas } = this;
    this.use(reliever, [colours, depth, "cut"], ["colours", "depth", "cut"]);
    const aspect = canvas.width / canvas.height;
    gl.uniform1f(reliever.at("aspect"), aspect);
    gl.uniform1f(reliever.at("strength"), STRENGTH);
    gl.uniform1f(reliever.at("distant"), DISTANCE);
    gl.uniform1f(reliever.at("least"), least);
    gl.uniform1f(reliever.at("steep"), least ? STEEP_IN_FRONT : STEEP);
    gl.uniform2fv(reliever.at("fit"), fit);
    gl.uniformMatrix4fv(reliever.at("camera"), false, matrixOf(eye, aspect));
    gl.bindVertexArray(this.grid);
    gl.drawElements(gl.TRIANGLES, this.numIndices, gl.UNSIGNED_INT, 0);
  }

  use(one, names, samplers = names) {
    const { gl } = this;
    gl.useProgram(one.program);
    names.forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, name === "cut" ? this.cut : this.textures[name]);
      gl.uniform1i(one.at(samplers[unit]), unit);
    });
  }

  fill() {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.bindVertexArray(this.square);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  upload(name, source) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
  }

  put(name, values, width, height) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
    const [inner, format, type] =
      values instanceof Uint8Array
        ? [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE]
        : values.length === width * height
          ? [gl.R32F, gl.RED, gl.FLOAT]
          : [gl.RGBA32F, gl.RGBA, gl.FLOAT];
    gl.texImage2D(gl.TEXTURE_2D, 0, inner, width, height, 0, format, type, values);
  }

  // Two triangles for each square of four neighbouring cells.
  makeGrid() {
    const { gl, side } = this;
    const indices = [];
    for (let row = 0; row < side - 1; row++) {
      for (let column = 0; column < side - 1; column++) {
        const i = row * side + column;
        indices.push(i, i + side, i + 1, i + 1, i + side, i + side + 1);
      }
    }
    this.numIndices = indices.length;
    this.grid = gl.createVertexArray();
    gl.bindVertexArray(this.grid);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint32Array(indices), gl.STATIC_DRAW);
  }

  // Each unit of the perceptron: its eleven weights, then its bias.
  weigh([[kernel, bias], [last]]) {
    const { gl } = this;
    const hidden = bias.flatMap((own, unit) => [...kernel.map((row) => row[unit]), own]);
    gl.useProgram(this.cutter.program);
    gl.uniform4fv(this.cutter.at("hidden"), hidden);
    gl.uniform1fv(this.cutter.at("shown"), last.map((row) => row[0]));
  }
}

// Not all browsers heed `failIfMajorPerformanceCaveat`.
function isSoftware(gl) {
  const known = gl.getExtension("WEBGL_debug_renderer_info");
  const name = gl.getParameter(known ? known.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  return /swiftshader|llvmpipe|softpipe|basic render/i.test(name);
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.bindAttribLocation(made, 0, "place");
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) {
    const logs = gl.getAttachedShaders(made).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`a shader cannot be compiled: ${[...logs, gl.getProgramInfoLog(made)]}`);
  }
  const places = new Map();
  const at = (name) => {
    if (!places.has(name)) places.set(name, gl.getUniformLocation(made, name));
    return places.get(name);
  };
  return { program: made, at };
}

const EXACT = new Set(["cells", "near", "depth", "room"]); // float32 has no filter everywhere

function texture(gl, name) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  const filter = EXACT.has(name) ? gl.NEAREST : gl.LINEAR;
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return made;
}
