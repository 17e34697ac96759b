// Turns the relief by mouse, touch, wheel and keys.

import { DISTANCE } from "./view_of_relief.js";

const START = { yaw: 0.3, pitch: 0.12, distance: 1.1 * DISTANCE };
const LIMITS = { yaw: 1.2, pitch: 0.9, distance: [1.4, 6] };
const STEP = 0.08;

export class Orbit {
  /** `turned` is called when the view changed; `isActive` says whether it is shown. */
  constructor(canvas, isActive, turned) {
    Object.assign(this, START);
    this.turned = turned;
    const pointers = new Map();
    let spread = 0;
    canvas.addEventListener("pointerdown", (event) => {
      if (!isActive()) return;
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      spread = spreadOf(pointers);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      pointers.set(event.pointerId, event);
      if (pointers.size === 1) {
        const scale = 3 / canvas.clientWidth;
        this.move(
          (event.clientX - before.clientX) * scale,
          (event.clientY - before.clientY) * scale,
          1,
        );
      } else {
        const now = spreadOf(pointers);
        if (spread) this.move(0, 0, spread / now);
        spread = now;
      }
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
    }
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!isActive()) return;
        event.preventDefault();
        this.move(0, 0, Math.exp(event.deltaY / 600));
      },
      { passive: false },
    );
    const keys = {
      ArrowLeft: [-STEP, 0, 1],
      ArrowRight: [STEP, 0, 1],
      ArrowUp: [0, -STEP, 1],
      ArrowDown: [0, STEP, 1],
      "+": [0, 0, 0.9],
      "=": [0, 0, 0.9],
      "-": [0, 0, 1 / 0.9],
    };
    canvas.addEventListener("keydown", (event) => {
      if (!isActive()) return;
      if (event.key === "Home") Object.assign(this, START);
      else if (!keys[event.key]) return;
      event.preventDefault();
      this.move(...(keys[event.key] ?? [0, 0, 1]));
    });
  }

  move(yaw, pitch, zoom) {
    this.yaw = between(this.yaw + yaw, -LIMITS.yaw, LIMITS.yaw);
    this.pitch = between(this.pitch + pitch, -LIMITS.pitch, LIMITS.pitch);
    this.distance = between(this.distance * zoom, ...LIMITS.distance);
    this.turned();
  }
}

function between(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

function spreadOf(pointers) {
  if (pointers.size !== 2) return 0;
  const [one, other] = pointers.values();
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
