// Depth is relative to each picture, but the room is known: where nothing is in front, a
// frame's depth must be that of the empty scene.

const BEHIND = 0.1; // masks below it count
const LEAST = 0.1; // share of the picture that must be behind
const SCALES = [0.5, 2];

/** Scale and shift that bring a frame's depth onto the room's, by least squares. */
export function fitTo(room, depth, mask) {
  let [n, x, y, xx, xy] = [0, 0, 0, 0, 0];
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] >= BEHIND) continue;
    const from = depth[i];
    const to = room[i];
    n += 1;
    x += from;
    y += to;
    xx += from * from;
    xy += from * to;
  }
  if (n < LEAST * mask.length) return [1, 0];
  const scale = (n * xy - x * y) / (n * xx - x * x);
  if (!(scale >= SCALES[0] && scale <= SCALES[1])) return [1, 0];
  return [scale, (y - scale * x) / n];
}

/** Changes depth by scale and shift, in place, 0 to 1. */
export function apply([scale, shift], depth) {
  for (let i = 0; i < depth.length; i++) {
    depth[i] = Math.min(Math.max(scale * depth[i] + shift, 0), 1);
  }
}
