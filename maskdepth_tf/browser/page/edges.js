// What the painter must know of each cell of the mask to draw its edges sharply.
//
// The part of the package's `inference/matting.py` that looks at the network's square;
// the rest, which looks at every pixel near an edge, is the painter's.

/** Stands for the variance in cells far from edges, which nobody looks at. */
export const FAR = -1;

/** Looks at masks; `side` is their side. */
export class Edges {
  constructor(constants, side) {
    this.constants = constants;
    this.side = side;
    const n = side * side;
    this.least = new Float32Array(n);
    this.most = new Float32Array(n);
    this.rows = new Float32Array(n);
    // Of each cell: the mask, least and most around it, whether it has an edge.
    this.cells = new Float32Array(4 * n);
    // Colour of the sure foreground around it, and its variance.
    this.near = new Float32Array(4 * n);
    this.beside = new Uint8Array(n);
    // Sums over all cells above and to the left: of red, green, blue, squares, count.
    this.sums = new Float64Array(5 * (side + 1) * (side + 1));
  }

  /** Looks at a mask and its picture; the arrays are used again. */
  find(mask, picture) {
    const { side, least, most, cells, near, rows, constants } = this;
    extreme(mask, side, Math.min, rows, least);
    extreme(mask, side, Math.max, rows, most);
    this.sum(picture);
    const [low, high] = constants.SURE;
    for (let i = 0; i < mask.length; i++) {
      const k = 4 * i;
      cells[k] = mask[i];
      cells[k + 1] = least[i];
      cells[k + 2] = most[i];
      cells[k + 3] = most[i] > low && least[i] < high ? 1 : 0;
    }
    this.markBeside();
    for (let i = 0; i < mask.length; i++) {
      // Pixels are between cells: those beside one with an edge count too.
      if (this.beside[i]) this.lookAround(i, picture);
      else near[4 * i + 3] = FAR;
    }
    return { cells, near };
  }

  sum(picture) {
    const { side, least, sums, constants } = this;
    const wide = side + 1;
    for (let row = 0; row < side; row++) {
      let [red, green, blue, square, count] = [0, 0, 0, 0, 0];
      for (let column = 0; column < side; column++) {
        const i = row * side + column;
        if (least[i] > constants.FOREGROUND) {
          const [r, g, b] = [picture[3 * i], picture[3 * i + 1], picture[3 * i + 2]];
          red += r;
          green += g;
          blue += b;
          square += r * r + g * g + b * b;
          count += 1;
        }
        const above = 5 * (row * wide + column + 1);
        const here = above + 5 * wide;
        sums[here] = sums[above] + red;
        sums[here + 1] = sums[above + 1] + green;
        sums[here + 2] = sums[above + 2] + blue;
        sums[here + 3] = sums[above + 3] + square;
        sums[here + 4] = sums[above + 4] + count;
      }
    }
  }

  markBeside() {
    const { side, cells, beside } = this;
    beside.fill(0);
    for (let row = 0, i = 0; row < side; row++) {
      for (let column = 0; column < side; column++, i++) {
        if (cells[4 * i + 3] === 0) continue;
        const first = Math.max(column - 1, 0);
        const last = Math.min(column + 1, side - 1);
        for (let j = Math.max(row - 1, 0); j <= Math.min(row + 1, side - 1); j++) {
          beside.fill(1, j * side + first, j * side + last + 1);
        }
      }
    }
  }

  // The nearest window with enough of sure foreground tells its colour.
  lookAround(i, picture) {
    const { side, near, sums, constants } = this;
    const row = Math.floor(i / side);
    const column = i % side;
    const wide = side + 1;
    for (const window of constants.NEARBY) {
      const reach = (window - 1) / 2;
      const top = Math.max(row - reach, 0) * wide;
      const low = Math.min(row + reach + 1, side) * wide;
      const left = Math.max(column - reach, 0);
      const right = Math.min(column + reach + 1, side);
      const a = 5 * (top + left);
      const b = 5 * (top + right);
      const c = 5 * (low + left);
      const d = 5 * (low + right);
      const count = sums[d + 4] - sums[b + 4] - sums[c + 4] + sums[a + 4];
      const size = ((low - top) / wide) * (right - left);
      if (count / size <= constants.ENOUGH) continue;
      let variance = (sums[d + 3] - sums[b + 3] - sums[c + 3] + sums[a + 3]) / count;
      for (let k = 0; k < 3; k++) {
        const mean = (sums[d + k] - sums[b + k] - sums[c + k] + sums[a + k]) / count;
        near[4 * i + k] = mean;
        variance -= mean * mean;
      }
      near[4 * i + 3] = Math.max(variance, 0); // rounding may leave less
      return;
    }
    for (let k = 0; k < 3; k++) near[4 * i + k] = picture[3 * i + k];
    near[4 * i + 3] = constants.SPREAD;
  }
}

// Least or most of each cell and those around it, one axis after the other.
function extreme(mask, side, choose, rows, out) {
  for (let i = 0; i < mask.length; i++) {
    const column = i % side;
    let value = mask[i];
    if (column) value = choose(value, mask[i - 1]);
    if (column < side - 1) value = choose(value, mask[i + 1]);
    rows[i] = value;
  }
  for (let i = 0; i < mask.length; i++) {
    let value = rows[i];
    if (i >= side) value = choose(value, rows[i - side]);
    if (i < mask.length - side) value = choose(value, rows[i + side]);
    out[i] = value;
  }
}
