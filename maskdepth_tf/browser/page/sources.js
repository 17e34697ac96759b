// Where frames come from: a camera, a video file, a picture.

/** A <video> that plays: its frames are what it shows. */
class Film {
  constructor(name) {
    this.name = name;
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.isOpen = true;
  }

  get width() {
    return this.video.videoWidth;
  }

  get height() {
    return this.video.videoHeight;
  }

  /** Calls with every new frame, which lasts as long as the call, until `close`. */
  watch(see) {
    const { video } = this;
    const next = () => {
      if (!this.isOpen) return;
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(step);
      else requestAnimationFrame(step);
    };
    const step = () => {
      next();
      if (!this.isOpen || video.readyState < 2) return;
      const frame = frameOf(video);
      see(frame);
      frame.close?.();
    };
    next();
  }

  async play() {
    await this.video.play();
    if (!this.width) await once(this.video, "loadedmetadata");
  }
}

export class Camera extends Film {
  /** Opens a camera; the browser's choice if no id is given. */
  static async open(id) {
    if (!navigator.mediaDevices?.getUserMedia) throw named("NotSupportedError");
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if (id) wanted.deviceId = { exact: id };
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    const [track] = stream.getVideoTracks();
    const camera = new Camera(track.label || "camera");
    camera.stream = stream;
    camera.id = track.getSettings().deviceId;
    camera.video.srcObject = stream;
    camera.ended = once(track, "ended");
    await camera.play();
    return camera;
  }

  /** Cameras that can be chosen: id and label. */
  static async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return devices.filter((device) => device.kind === "videoinput");
  }

  close() {
    this.isOpen = false;
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
  }
}

export class VideoFile extends Film {
  static async open(file) {
    const film = new VideoFile(file.name);
    film.video.loop = true;
    film.url = URL.createObjectURL(file);
    film.video.src = film.url;
    const failed = once(film.video, "error").then(() => {
      throw named("DataError");
    });
    await Promise.race([film.play(), failed]);
    return film;
  }

  close() {
    this.isOpen = false;
    this.video.pause();
    this.video.removeAttribute("src");
    URL.revokeObjectURL(this.url);
  }
}

/** Reads a picture file. */
export async function readPicture(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw named("DataError");
  }
}

// A <video> may go on to its next frame between two looks at it; this one does not.
function frameOf(video) {
  try {
    return new VideoFrame(video);
  } catch {
    return video; // an older browser
  }
}

function once(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}

function named(name) {
  return new DOMException(name, name);
}
