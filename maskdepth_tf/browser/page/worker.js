// The thread that computes: background and frames in, answers out, one at a time.
//
// A classic Worker, since LiteRT.js is no module; all else is imported.

/* global importScripts, ModuleFactory */

const started = new Promise((resolve, reject) => {
  self.onmessage = ({ data }) => start(data).then(resolve, reject);
});

async function start({ settings, model, remote }) {
  const { canRun, LiteRtNetwork, ServerNetwork } = await import("./network.js");
  const { Pipeline } = await import("./pipeline.js");
  const isHere = !remote && canRun();
  let network;
  if (isHere) {
    const fetched = fetch(model).then((reply) => reply.arrayBuffer());
    importScripts("litert/litert_wasm_internal.js");
    const options = {
      locateFile: (name) => `litert/${name}`,
      // It tells at length what it does; of its errors the page tells.
      printErr: (text) => console.debug(text),
    };
    const [wasm, bytes] = await Promise.all([ModuleFactory(options), fetched]);
    network = await LiteRtNetwork.load(wasm, new Uint8Array(bytes));
  } else {
    network = new ServerNetwork("answer");
  }
  const pipeline = new Pipeline(settings, network);
  await pipeline.warm();
  let last = Promise.resolve(); // the network runs once at a time
  self.onmessage = ({ data }) => {
    last = last.then(() => answer(pipeline, data));
  };
  self.postMessage({ kind: "ready", runtime: isHere ? "browser" : "server" });
}

async function answer(pipeline, { kind, pixels, aspect, number, alone, deep }) {
  try {
    if (kind === "background") {
      const depth = await pipeline.setBackground(pixels, aspect);
      self.postMessage({ kind: "empty", depth });
      return;
    }
    const found = await pipeline.answer(pixels, alone, deep);
    self.postMessage({ kind: "answer", number, ...found });
  } catch (error) {
    self.postMessage({ kind: "failed", number, message: String(error.message ?? error) });
  }
}

started.catch((error) => {
  self.postMessage({ kind: "failed", message: String(error.message ?? error) });
});
