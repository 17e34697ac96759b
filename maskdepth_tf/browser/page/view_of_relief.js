// Where the relief's eye is.

export const FOCAL = 2.4;
export const DISTANCE = 2.6; // from where the relief fills the picture
export const STEEP = 0.16; // change of depth over two cells that is an edge, of the room
export const STEEP_IN_FRONT = 0.08; // the same of what is in front, which ends there
export const STRENGTH = 0.5; // how deep it is, of the distance
const NEAR = 0.1;
const FAR = 20;

/** The eye's three axes as rows, and how far it is: [right, up, towards it]. */
export function axesOf({ yaw, pitch }) {
  const [cy, sy] = [Math.cos(yaw), Math.sin(yaw)];
  const [cp, sp] = [Math.cos(pitch), Math.sin(pitch)];
  return [
    [cy, 0, sy],
    [sp * sy, cp, -sp * cy],
    [-cp * sy, sp, cp * cy],
  ];
}

/** From places to the screen, as OpenGL has it: a matrix by columns. */
export function matrixOf(eye, aspect) {
  const [right, up, back] = axesOf(eye);
  const rows = [
    [...right.map((value) => (value * FOCAL) / aspect), 0],
    [...up.map((value) => value * FOCAL), 0],
    [...back.map((value) => (value * (FAR + NEAR)) / (NEAR - FAR)), 0],
    [...back.map((value) => -value), eye.distance],
  ];
  // Everything is `distance` away along the last axis.
  rows[2][3] = (eye.distance * (FAR + NEAR)) / (FAR - NEAR) - (2 * FAR * NEAR) / (FAR - NEAR);
  return [0, 1, 2, 3].flatMap((column) => rows.map((row) => row[column]));
}
