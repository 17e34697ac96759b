// The page: its states, and what happens in them.
//
// States, in `body[data-state]`: loading, start, pictures, opening, problem, ready (the
// camera is seen), countdown, capturing, live, still (two pictures were answered).

import { Averager, blurred } from "./background.js";
import { CanvasPainter } from "./canvas_painter.js";
import { listen } from "./controls.js";
import { Engine } from "./engine.js";
import { Numbers } from "./numbers.js";
import { Orbit } from "./orbit.js";
import { Painter } from "./painter.js";
import { covering, drawn, rgba } from "./pictures.js";
import { explain } from "./problems.js";
import { cutoutFile, depthFile, maskFile, Recording, save } from "./saving.js";
import { Camera, readPicture, VideoFile } from "./sources.js";
import { Watch } from "./watch.js";

const COUNTDOWN = 3; // seconds
const LARGEST_FRAME = 1280; // pixels on the longer side of what moves
const LARGEST_PICTURE = 4096;
const LATE = 5; // ms that a frame may be late before something else is done
const PANELS = {
  start: "start",
  loading: "start",
  pictures: "pictures",
  opening: "opening",
  problem: "problem",
  countdown: "countdown",
  capturing: "capturing",
};
const OF_CAMERA =
  "Step out of the frame, so that the camera sees the empty scene. " +
  "It is taken after three seconds.";
const OF_VIDEO =
  "Move to where the scene is empty: the background is the mean of fifteen frames " +
  "from there on.";
const TINT = [0.18, 0.83, 0.75];
const RELIEF_BACK = [0.055, 0.065, 0.085];

const $ = (id) => document.getElementById(id);

class Page {
  constructor(settings) {
    const query = new URLSearchParams(location.search);
    this.settings = settings;
    this.painter = this.makePainter(query.get("draw"));
    this.engine = new Engine(settings, { remote: query.has("server") });
    this.watch = new Watch(settings);
    this.numbers = new Numbers(settings, $);
    this.source = null;
    this.background = null; // a canvas of the source's size
    this.backdrop = null; // the user's picture
    this.answer = null; // the one that is shown
    this.turn = 0; // answers to frames of an earlier turn are let go
    this.next = null; // the newest frame that came while the worker computed
    this.unpainted = null; // an answer that is not yet shown
    this.seen = 0; // when the last frame came, and how long after the one before it
    this.period = 0;
    this.turnWith($("canvas"));
    this.numbers.setPainter(this.painter.kind);
    listen(this);
    this.setView("overlay");
    this.setState("start");
    this.engine.ready.then(
      (runtime) => {
        this.numbers.setRuntime(runtime);
        this.say("Ready");
        document.body.dataset.ready = runtime;
      },
      (error) => this.fail(error, () => location.reload()),
    );
  }

  // `?draw=webgl` and `?draw=processor` say how to draw; else the machine decides.
  makePainter(wanted) {
    const { settings } = this;
    const canvas = $("canvas");
    canvas.addEventListener("webglcontextlost", () => this.replacePainter());
    try {
      if (wanted !== "processor") return new Painter(canvas, settings, wanted === "webgl");
    } catch (error) {
      console.debug(`drawing by the processor: ${error.message}`);
    }
    return this.makeCanvasPainter();
  }

  // A canvas that gave WebGL, or failed to, may give nothing else.
  makeCanvasPainter() {
    const canvas = $("canvas").cloneNode();
    $("canvas").replaceWith(canvas);
    return new CanvasPainter(canvas, this.settings);
  }

  replacePainter() {
    const { background } = this;
    this.turnOver();
    this.painter = this.makeCanvasPainter();
    this.painter.resize(this.width, this.height);
    if (background) this.painter.setBackground(background);
    if (this.room) this.painter.setRoom(this.room);
    this.putBackdrop();
    this.turnWith($("canvas"));
    this.numbers.setPainter(this.painter.kind);
    if (this.state === "still") this.compare();
  }

  turnWith(canvas) {
    const isActive = () => this.view === "relief";
    this.orbit = new Orbit(canvas, isActive, () => this.draw());
  }

  // States

  setState(state) {
    this.state = state;
    document.body.dataset.state = state;
    for (const panel of new Set(Object.values(PANELS))) {
      $(panel).hidden = PANELS[state] !== panel;
    }
    const isShown = state === "live" || state === "still";
    $("legend").hidden = !(isShown && this.view === "depth");
    $("relief-hint").hidden = !(isShown && this.view === "relief");
    if (state !== "live") this.setWarning(null);
    // What was done is no longer what should be done next.
    $("capture").classList.toggle("primary", state === "ready");
    $("capture").textContent = state === "live" ? "Capture again" : "Capture the background";
    this.describe();
  }

  describe() {
    // Keys turn the relief; of other views there is nothing to do.
    $("canvas").tabIndex = this.view === "relief" ? 0 : -1;
    const seen = {
      ready: "What the camera sees",
      countdown: "What the camera sees",
      capturing: "What the camera sees",
      live: `Live view: ${this.view}`,
      still: `View: ${this.view}`,
    };
    $("canvas").setAttribute("aria-label", seen[this.state] ?? "Nothing to see yet");
  }

  say(text, isLoud = false) {
    $("status").textContent = text;
    if (isLoud) $("announcement").textContent = text;
  }

  fail(error, retry) {
    this.leave();
    const { title, text } = explain(error, this.wanted);
    $("problem-title").textContent = title;
    $("problem-text").textContent = text;
    this.retry = retry;
    this.setState("problem");
    this.say(title);
    $("retry").focus();
  }

  leave() {
    this.turnOver();
    clearTimeout(this.timer);
    this.recording?.stop();
    this.source?.close?.();
    this.source = null;
    this.background = null;
    this.answer = null;
    this.watch.reset();
  }

  restart() {
    this.leave();
    this.setState("start");
    this.say("Ready");
    $("choose-camera").focus();
  }

  // Sources

  async openCamera(id) {
    this.wanted = "camera";
    const text = "Your browser may ask whether this page may use it.";
    const again = () => this.openCamera(id);
    const camera = await this.open("Opening the camera", text, () => Camera.open(id), again);
    if (!camera) return;
    camera.ended.then(() => {
      if (this.source !== camera) return;
      this.fail(new DOMException("", "NotReadableError"), () => this.openCamera());
    });
    await this.listCameras();
  }

  async openVideo(file) {
    this.wanted = "file";
    const again = () => this.openVideo(file);
    await this.open("Opening the video", file.name, () => VideoFile.open(file), again);
  }

  // The source, or null where it was refused or something else was chosen meanwhile.
  async open(title, text, make, again) {
    this.leave();
    $("opening-title").textContent = title;
    $("opening-text").textContent = text;
    this.setState("opening");
    this.say(title);
    const { turn } = this;
    try {
      const source = await make();
      if (turn !== this.turn) {
        source.close();
        return null;
      }
      this.source = source;
    } catch (error) {
      if (turn === this.turn) this.fail(error, again);
      return null;
    }
    this.toReady();
    this.source.watch((frame) => this.see(frame));
    return this.source;
  }

  toReady() {
    const { source } = this;
    const isCamera = source instanceof Camera;
    $("camera-choice").hidden = !isCamera;
    $("seek-choice").hidden = isCamera;
    $("source-text").textContent = isCamera ? "" : source.name;
    $("background-text").textContent = isCamera ? OF_CAMERA : OF_VIDEO;
    this.resize(source.width, source.height, LARGEST_FRAME);
    this.setState("ready");
    this.say(isCamera ? "The camera is on: capture the background" : "Capture the background");
    $("capture").focus();
  }

  async listCameras() {
    const cameras = await Camera.list();
    const options = cameras.map((camera, i) => {
      const name = camera.label || `Camera ${i + 1}`;
      return new Option(name, camera.deviceId, false, camera.deviceId === this.source?.id);
    });
    $("camera").replaceChildren(...options);
  }

  resize(width, height, largest) {
    const scale = Math.min(1, largest / Math.max(width, height));
    this.width = Math.max(1, Math.round(width * scale));
    this.height = Math.max(1, Math.round(height * scale));
    this.sourceSize = [width, height];
    this.painter.resize(this.width, this.height);
    document.documentElement.style.setProperty("--aspect", this.width / this.height);
  }

  // Frames

  see(frame) {
    const { source } = this;
    const [width, height] = this.sourceSize;
    if (source.width !== width || source.height !== height) {
      this.background = null; // the camera was turned
      this.turnOver();
      this.toReady();
    }
    if (source instanceof VideoFile && !source.video.seeking) {
      $("seek").value = source.video.currentTime / source.video.duration;
    }
    const now = performance.now();
    this.period = now - this.seen;
    this.seen = now;
    if (this.state === "live") {
      if (this.engine.isIdle) this.ask(frame);
      else this.keep(frame);
      this.paint();
      return;
    }
    if (this.state === "capturing") this.collect(frame);
    this.painter.hold(frame);
    this.painter.showFrame();
  }

  // What belongs to the scene until now is let go.
  turnOver() {
    this.turn++;
    clearTimeout(this.painting);
    this.unpainted = null;
    this.depthSoon = this.settleDepth = null;
    this.keep(null);
  }

  keep(frame) {
    this.next?.close();
    this.next = frame?.clone?.() ?? null; // an older browser's <video> cannot be kept
  }

  // The worker computes while the answer before is painted; each is shown with its frame.
  async ask(frame) {
    const { turn } = this;
    const start = performance.now();
    const held = this.painter.hold(frame);
    let answer;
    try {
      answer = await this.engine.answer(held, { deep: this.isDeep });
    } catch (error) {
      if (turn === this.turn) this.fail(error, () => location.reload());
      return;
    }
    if (turn !== this.turn) return;
    this.painter.take();
    this.unpainted = { answer, start };
    if (this.next) {
      this.ask(this.next);
      this.keep(null);
      this.paint();
    } else {
      this.paintInTime();
    }
  }

  // Painting holds up the frame that comes next: one that is due goes first.
  paintInTime() {
    const due = Math.max(this.seen + this.period - performance.now(), 0);
    if (due > (this.answer?.milliseconds.paint ?? 0)) this.paint();
    else this.painting = setTimeout(() => this.paint(), due + LATE);
  }

  paint() {
    if (!this.unpainted) return;
    clearTimeout(this.painting);
    const { answer, start } = this.unpainted;
    this.unpainted = null;
    const painting = performance.now();
    this.show(answer);
    const { milliseconds, coverage, mismatch, warp } = answer;
    milliseconds.paint = performance.now() - painting;
    milliseconds.all = performance.now() - start;
    this.numbers.see(answer, this.width, this.height);
    this.setWarning(this.watch.see(answer, this.width, this.height));
    const detail = { ...milliseconds, coverage, mismatch, warp };
    document.dispatchEvent(new CustomEvent("maskdepth:frame", { detail }));
  }

  show(answer) {
    this.answer = answer;
    this.painter.setAnswer(answer);
    if (answer.depth) this.settleDepth?.(answer.depth);
    this.draw();
  }

  // Whether frames need their depth: without, the network takes two thirds of the time.
  get isDeep() {
    return this.view === "depth" || this.view === "relief" || Boolean(this.settleDepth);
  }

  /** The depth of what is shown, or of a frame that is shown soon. */
  findDepth() {
    if (this.answer.depth) return this.answer.depth;
    this.depthSoon ??= new Promise((resolve) => {
      this.settleDepth = (depth) => {
        this.depthSoon = this.settleDepth = null;
        resolve(depth);
      };
    });
    return this.depthSoon;
  }

  draw() {
    this.paint(); // what was taken is not yet cut
    if (!this.answer) return;
    if (this.isDeep && !this.answer.depth) return; // the next one has it
    const { behind } = this;
    this.painter.draw({
      view: this.view,
      plain: behind === "colour" ? rgba($("colour").value) : [0, 0, 0, 0],
      isChecked: behind === "squares",
      tint: TINT,
      relief: { ...this.orbit, back: RELIEF_BACK },
    });
  }

  // Background

  capture() {
    this.turnOver();
    clearTimeout(this.timer);
    this.setWarning(null);
    if (this.source instanceof Camera) this.countDown(COUNTDOWN);
    else this.beginCapture();
  }

  countDown(seconds) {
    if (seconds === 0) {
      this.beginCapture();
      return;
    }
    $("count").textContent = seconds;
    if (this.state !== "countdown") {
      this.setState("countdown");
      this.say(`Step out of the frame: ${seconds} seconds`, true);
    }
    this.timer = setTimeout(() => this.countDown(seconds - 1), 1000);
  }

  beginCapture() {
    this.averager = new Averager(this.width, this.height);
    $("progress").value = 0;
    this.setState("capturing");
    this.say("Taking the background");
  }

  collect(frame) {
    this.averager.add(frame);
    $("progress").value = this.averager.progress;
    if (this.averager.isDone) this.useBackground(this.averager.finish());
  }

  useBackground(canvas) {
    clearTimeout(this.timer);
    this.watch.reset();
    this.numbers.reset();
    this.putBackground(canvas, canvas);
    $("background-text").textContent = "Taken. Capture again when the camera or the light changed.";
    this.turnOver();
    this.setState("live");
    this.say("Live", true);
  }

  // `whole` is what the network sees: not yet of the frames' size.
  putBackground(canvas, whole) {
    this.background = canvas;
    this.painter.setBackground(canvas);
    this.putBackdrop();
    this.engine.setBackground(whole, this.width / this.height).then((depth) => {
      this.room = depth;
      this.painter.setRoom(depth);
    });
  }

  async useBackgroundFile(file) {
    const picture = await readPicture(file);
    this.useBackground(drawn(picture, this.width, this.height));
  }

  putBackdrop() {
    const { behind, backdrop, background, width, height } = this;
    if (!background) return;
    if (behind === "blur") this.painter.setBackdrop(blurred(background, width, height));
    else if (backdrop) this.painter.setBackdrop(covering(backdrop, width, height));
    else this.painter.setBackdrop(blurred(background, width, height));
  }

  setWarning(text) {
    if (!text) this.dismissed = false;
    const shown = text && !this.dismissed ? text : null;
    if ($("warning").hidden !== !shown) $("warning").hidden = !shown;
    if (shown && $("warning-text").textContent !== shown) $("warning-text").textContent = shown;
  }

  // Two pictures

  async compare() {
    const files = [$("picture-bg").files[0], $("picture-fg").files[0]];
    this.wanted = "file";
    this.leave();
    $("opening-title").textContent = "Looking at the pictures";
    $("opening-text").textContent = "";
    this.setState("opening");
    try {
      const [bg, fg] = await Promise.all(files.map(readPicture));
      await this.engine.ready;
      this.resize(fg.width, fg.height, LARGEST_PICTURE);
      this.putBackground(drawn(bg, this.width, this.height), bg);
      this.painter.hold(drawn(fg, this.width, this.height));
      const answer = await this.engine.answer(fg, { alone: true, deep: true });
      this.painter.take();
      this.setState("still");
      this.show(answer);
      this.numbers.see(answer, this.width, this.height);
      $("camera-choice").hidden = $("seek-choice").hidden = true;
      $("source-text").textContent = files.map((file) => file.name).join(", ");
      this.say("Mask and depth of the picture", true);
    } catch (error) {
      this.fail(error, () => this.setState("pictures"));
    }
  }

  // Views and files

  setView(view) {
    this.view = view;
    document.body.dataset.view = view;
    if (this.state) this.setState(this.state);
    this.draw();
  }

  get behind() {
    return document.querySelector("input[name=behind]:checked").value;
  }

  setBehind() {
    $("colour-choice").hidden = this.behind !== "colour";
    $("backdrop-choice").hidden = this.behind !== "picture";
    this.putBackdrop();
    this.draw();
  }

  async saveFile(name) {
    const { answer, width, height } = this;
    if (!answer) return;
    const makers = {
      mask: () => maskFile(this.painter.readCut(), width, height),
      cutout: () => cutoutFile(this.painter.readCut(), width, height),
      depth: async () =>
        depthFile(await this.findDepth(), this.settings.image_size, width, height),
    };
    save(await makers[name](), `maskdepth_${name}.png`);
  }

  async record() {
    if (this.recording) {
      this.recording.stop();
      return;
    }
    this.recording = new Recording($("canvas"));
    $("record").setAttribute("aria-pressed", "true");
    $("record").textContent = "Stop";
    this.draw(); // a still picture has no other frame
    const film = await this.recording.done;
    save(film, `maskdepth.${this.recording.ending}`);
    this.recording = null;
    $("record").setAttribute("aria-pressed", "false");
    $("record").textContent = "Record";
  }
}

function drawScale(colours) {
  const context = $("scale").getContext("2d");
  const line = context.createImageData(colours.length, 1);
  line.data.set(colours.flat());
  context.putImageData(line, 0, 0);
}

const reply = await fetch("settings.json");
const settings = await reply.json();
drawScale(settings.depth_colours);
new Page(settings);
