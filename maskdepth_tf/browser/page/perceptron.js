// A small perceptron for many pixels: one hidden layer of ReLU units, then one sum.
//
// By WebAssembly, four pixels at once, where the browser has SIMD; else by JavaScript.

/** Pixels that are computed at once, at most. */
export const BLOCK = 1024;

const PAGE = 65536; // bytes, in which WebAssembly counts memory

/** Callers fill `features`, [inputs, BLOCK], `run`, and find `sums`, [BLOCK]. */
export class Perceptron {
  /** @param {Array} layers Kernel and bias of the hidden layer, then of the last. */
  constructor([[kernel, bias], [last, lastBias]]) {
    this.inputs = kernel.length;
    this.units = bias.length;
    // The last layer's bias; then each unit's own, its weights, its part in the sum.
    const units = bias.map((own, unit) => {
      return [own, ...kernel.map((row) => row[unit]), last[unit][0]];
    });
    const weights = [lastBias, units].flat(2);
    const places = placesOf(this.inputs);
    const size = places.weights + 4 * weights.length;
    const bytes = assemble(this.inputs, this.units);
    this.hasSimd = typeof WebAssembly === "object" && WebAssembly.validate(bytes);
    let buffer;
    if (this.hasSimd) {
      const memory = new WebAssembly.Memory({ initial: Math.ceil(size / PAGE) });
      // So few bytes are compiled at once: no caller has to wait.
      const module = new WebAssembly.Module(bytes);
      this.instance = new WebAssembly.Instance(module, { "": { "": memory } });
      buffer = memory.buffer;
    } else {
      buffer = new ArrayBuffer(size);
    }
    this.features = new Float32Array(buffer, 0, this.inputs * BLOCK);
    this.sums = new Float32Array(buffer, places.sums, BLOCK);
    this.weights = new Float32Array(buffer, places.weights, weights.length);
    this.weights.set(weights);
  }

  /** Computes the sums of the first `count` pixels. */
  run(count) {
    if (this.hasSimd) this.instance.exports.run(4 * count);
    else this.runPlainly(count);
  }

  runPlainly(count) {
    const { features, sums, weights, inputs, units } = this;
    const own = new Float64Array(inputs);
    for (let pixel = 0; pixel < count; pixel++) {
      for (let j = 0; j < inputs; j++) own[j] = features[j * BLOCK + pixel];
      let sum = weights[0];
      for (let unit = 0, w = 1; unit < units; unit++) {
        let value = weights[w++];
        for (let j = 0; j < inputs; j++) value += weights[w++] * own[j];
        const part = weights[w++];
        if (value > 0) sum += part * value;
      }
      sums[pixel] = sum;
    }
  }
}

// Bytes before the parts of the memory; features are the first.
function placesOf(inputs) {
  const sums = 4 * inputs * BLOCK;
  return { sums, weights: sums + 4 * BLOCK };
}

// Types and instructions of WebAssembly.
const INTEGER = 0x7f;
const FLOATS = 0x7b; // four of them
const LOOP = [0x03, 0x40];
const AGAIN_IF = [0x0d, 0]; // goes to the beginning of the loop that it is in
const END = 0x0b;
const GET = 0x20;
const SET = 0x21;
const TEE = 0x22; // sets, and leaves the value on the stack
const CONSTANT = 0x41;
const IS_LESS = 0x49;
const PLUS = 0x6a;
const LOAD = [0xfd, 0, 0];
const LOAD_ALIKE = [0xfd, 9, 0]; // one float, four times
const STORE = [0xfd, 11, 0];
const ADD = [0xfd, 0xe4, 1];
const MULTIPLY = [0xfd, 0xe6, 1];
const MOST = [0xfd, 0xeb, 1]; // careless of NaN, and one instruction of the processor

// A module of one function, `run(end)`, which computes all pixels before byte `end` of a
// plane, four or more.
function assemble(inputs, units) {
  const places = placesOf(inputs);
  const unitSize = 4 * (inputs + 2);
  const [end, pixel, unit, sum, zero, first] = [0, 1, 2, 3, 4, 5]; // numbers of variables
  const planes = Array.from({ length: inputs }, (_, j) => j);
  const weight = (j) => [GET, unit, ...LOAD_ALIKE, ...number(places.weights + 4 * j)];
  const add = (variable, value) => {
    return [GET, variable, CONSTANT, ...number(value), PLUS, TEE, variable];
  };
  const body = [
    ...[2, 2, INTEGER, 3 + inputs, FLOATS], // two kinds of variables, zero at first
    ...LOOP,
    ...planes.flatMap((j) => {
      return [GET, pixel, ...LOAD, ...number(4 * BLOCK * j), SET, first + j];
    }),
    ...[CONSTANT, 0, TEE, unit, ...LOAD_ALIKE, ...number(places.weights), SET, sum],
    ...LOOP,
    ...weight(1),
    ...planes.flatMap((j) => [...weight(2 + j), GET, first + j, ...MULTIPLY, ...ADD]),
    ...[GET, zero, ...MOST, ...weight(2 + inputs), ...MULTIPLY],
    ...[GET, sum, ...ADD, SET, sum],
    ...[...add(unit, unitSize), CONSTANT, ...number(units * unitSize), IS_LESS],
    ...[...AGAIN_IF, END],
    ...[GET, pixel, GET, sum, ...STORE, ...number(places.sums)],
    ...[...add(pixel, 16), GET, end, IS_LESS, ...AGAIN_IF, END],
    END,
  ];
  return new Uint8Array([
    ...[0, 97, 115, 109, 1, 0, 0, 0],
    ...section(1, [0x60, 1, INTEGER, 0]), // a type of functions: an integer in, nothing out
    ...section(2, [0, 0, 2, 0, 0]), // a memory is given, of any size
    ...section(3, [0]), // one function, of that type
    ...section(7, [3, 114, 117, 110, 0, 0]), // it is called "run"
    ...section(10, [...number(body.length), ...body]),
  ]);
}

// A section of one entry.
function section(kind, entry) {
  return [kind, ...number(entry.length + 1), 1, ...entry];
}

// LEB128 of an integer with a sign, which is valid where one without is read.
function number(value) {
  return value < 64 ? [value] : [(value & 127) | 128, ...number(value >> 7)];
}
