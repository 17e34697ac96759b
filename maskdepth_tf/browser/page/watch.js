// Says what the camera and the light did, and when the background no longer fits.

import { isStill, movementOf } from "./geometry.js";

const BAD_FRAMES = 8; // in a row, before a warning: a quarter of a second
const GOOD_FRAMES = 15; // in a row, before it goes
const MOVED = 0.012; // a share of the side
const TURNED = 0.6; // degrees
const ZOOMED = 0.012;
const TILTED = 0.024; // corners are half of it from where they were
const RELIT = 0.12;
const RESIDUAL = 0.12; // share of what is not in front

const CORRECTED = "It is corrected, less exactly at edges.";

export class Watch {
  constructor({ describing }) {
    this.constants = describing;
    this.reset();
  }

  reset() {
    this.bad = 0;
    this.good = 0;
    this.warning = null;
  }

  /** Takes an answer; `warning` is then what should be said, or null. */
  see(answer, width, height) {
    const doubt = this.doubt(answer, width, height);
    this.bad = doubt ? this.bad + 1 : 0;
    this.good = doubt ? 0 : this.good + 1;
    if (this.bad >= BAD_FRAMES) this.warning = doubt;
    if (this.good >= GOOD_FRAMES) this.warning = null;
    return this.warning;
  }

  doubt(answer, width, height) {
    if (answer.mismatch > this.constants.MISMATCH || answer.residual > RESIDUAL) {
      return "The background does not fit what the camera sees.";
    }
    const { turn, zoom, right, down, tilt } = named(answer.warp, width, height);
    const far = Math.max(Math.abs(right), Math.abs(down)) > MOVED;
    if (far || Math.abs(turn) > TURNED || Math.abs(zoom) > ZOOMED || tilt > TILTED) {
      const moved = movement(answer.warp, width, height, this.constants);
      return `The camera ${moved}. ${CORRECTED}`;
    }
    const change = lightOf(answer.light);
    if (Math.abs(change) > RELIT) {
      return `The light changed: the picture is ${percent(change)}. ${CORRECTED}`;
    }
    return null;
  }
}

/** What the camera did since the background was taken, in a few words. */
export function movement(warp, width, height, constants) {
  if (isStill(warp)) return "still";
  const { LEAST_SHIFT, LEAST_TURN, LEAST_ZOOM, LEAST_TILT } = constants;
  const { turn, zoom, right, down, tilt } = named(warp, width, height);
  const parts = [];
  if (Math.abs(right) >= LEAST_SHIFT) {
    parts.push(`${Math.round(Math.abs(right) * width)} px ${right > 0 ? "right" : "left"}`);
  }
  if (Math.abs(down) >= LEAST_SHIFT) {
    parts.push(`${Math.round(Math.abs(down) * height)} px ${down > 0 ? "down" : "up"}`);
  }
  const texts = parts.length ? [`moved ${parts.join(", ")}`] : [];
  if (Math.abs(turn) >= LEAST_TURN) texts.push(`turned ${Math.abs(turn).toFixed(1)}°`);
  if (Math.abs(zoom) >= LEAST_ZOOM) {
    texts.push(`shows ${(100 * Math.abs(zoom)).toFixed(1)} % ${zoom > 0 ? "more" : "less"}`);
  }
  if (tilt >= LEAST_TILT) texts.push("tilted");
  return texts.join(", ") || "still";
}

/** What the light did, in a few words. */
export function relighting(light, { LEAST_LIGHT }) {
  const change = lightOf(light);
  return Math.abs(change) < LEAST_LIGHT ? "same" : percent(change);
}

// Change of a middle tone, as a share.
function lightOf({ curves }) {
  const tone = 0.5;
  const lit = curves.map(([a, b, c, d]) => a + b * Math.sqrt(tone) + c * tone + d * tone * tone);
  return lit.reduce((sum, value) => sum + value, 0) / lit.length / tone - 1;
}

function percent(change) {
  return `${Math.round(100 * Math.abs(change))} % ${change > 0 ? "brighter" : "darker"}`;
}

// Shifts are shares of the sides, turns degrees.
function named(warp, width, height) {
  const [zoom, turn] = movementOf(warp, Math.sqrt(width / height));
  const tilt = Math.max(Math.abs(warp[6]), Math.abs(warp[7]));
  return { zoom, turn: (turn * 180) / Math.PI, right: warp[2], down: warp[5], tilt };
}
