// The network: in this Worker by LiteRT.js, or asked of the server that sent the page.
//
// Both have `run(bg, picture, mask, depth)`: pixels of 0 to 255 in, Float32Array of
// side * side * 3; probabilities and depths of 0 to 1 are written into the other two. Where
// `depth` is null it is not asked for, which takes less time.

// A module with one relaxed SIMD operation, which the runtime is built with.
const RELAXED_SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1,
  253, 15, 65, 2, 253, 15, 253, 128, 2, 11,
]);
const FLOAT32 = 1; // LiteRT's number of the type

/** Whether this browser can run LiteRT.js. */
export function canRun() {
  return typeof WebAssembly === "object" && WebAssembly.validate(RELAXED_SIMD);
}

/** Runs a .tflite model; its buffers are made once and used for every frame. */
export class LiteRtNetwork {
  /**
   * @param {object} wasm LiteRT.js' module.
   * @param {Uint8Array} model Bytes of a .tflite file.
   */
  static async load(wasm, model) {
    const environment = wasm.LiteRtEnvironment.create(null);
    const place = wasm._malloc(model.byteLength); // the model is read from there
    wasm.HEAPU8.set(model, place);
    const loaded = wasm.loadModel(environment, place, model.byteLength);
    const compiled = await wasm.compileModel(environment, loaded, {
      environment,
      accelerator: "wasm",
      cpuOptions: { numThreads: 1 },
      gpuOptions: {},
      webNNOptions: {},
    });
    return new LiteRtNetwork(wasm, environment, loaded, compiled);
  }

  constructor(wasm, environment, loaded, compiled) {
    this.wasm = wasm;
    this.compiled = compiled;
    // With depth and without: what answers less comes first.
    this.signatures = Array.from({ length: loaded.getNumSignatures() }, (_, index) => {
      const signature = loaded.getSignature(index);
      const inputs = namesOf(signature.inputNames());
      const outputs = namesOf(signature.outputNames());
      signature.delete();
      return { index, inputs, outputs };
    }).sort((one, other) => one.outputs.length - other.outputs.length);
    const [{ index, inputs }] = this.signatures;
    this.buffers = {}; // by the input's name
    inputs.forEach((name, i) => {
      const type = loaded.getInputTensorType(index, i);
      if (type.elementType().value !== FLOAT32) throw new Error("the model takes no float32");
      this.buffers[name] = wasm.LiteRtTensorBuffer.createManaged(
        environment,
        wasm.LiteRtTensorBufferType.HOST_MEMORY,
        type,
        type.bytes(),
      );
      type.delete();
    });
  }

  async run(bg, picture, mask, depth) {
    const { wasm, signatures, buffers } = this;
    for (const [name, pixels] of Object.entries({ bg, fg_bg: picture })) {
      const place = buffers[name].lock(wasm.LiteRtTensorBufferLockMode.WRITE);
      floats(wasm, place, pixels.length).set(pixels);
      buffers[name].unlock();
    }
    const wanted = depth ? { mask, depth } : { mask };
    const enough = ({ outputs }) => Object.keys(wanted).every((name) => outputs.includes(name));
    const { index, inputs, outputs } = signatures.find(enough);
    const given = inputs.map((name) => buffers[name]);
    const answers = await this.compiled.run(index, given);
    outputs.forEach((name, i) => {
      const out = wanted[name];
      const place = answers[i].lock(wasm.LiteRtTensorBufferLockMode.READ);
      out.set(floats(wasm, place, out.length));
      answers[i].unlock();
      answers[i].delete();
    });
  }
}

/** Asks the server; slower, for browsers that cannot run LiteRT.js. */
export class ServerNetwork {
  constructor(url) {
    this.url = url;
  }

  async run(bg, picture, mask, depth) {
    const body = new Uint8Array(2 * bg.length);
    body.set(bg);
    body.set(picture, bg.length);
    const reply = await fetch(this.url, { method: "POST", body });
    if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
    const numbers = new Float32Array(await reply.arrayBuffer());
    mask.set(numbers.subarray(0, mask.length));
    depth?.set(numbers.subarray(mask.length));
  }
}

// Its memory moves when it grows: no view of it lasts.
function floats(wasm, place, length) {
  return new Float32Array(wasm.HEAPU8.buffer, place, length);
}

function namesOf(vector) {
  const names = Array.from({ length: vector.size() }, (_, i) => vector.get(i));
  vector.delete();
  return names;
}
