// What went wrong, in words, and what helps.

const CAMERA = {
  NotAllowedError: [
    "The camera was refused",
    "Allow this page to use it beside the address, then try again. " +
      "Two pictures or a video file need no camera.",
  ],
  NotFoundError: [
    "No camera found",
    "Connect one and try again, or use two pictures or a video file.",
  ],
  OverconstrainedError: ["That camera is gone", "Connect it and try again, or use another one."],
  NotReadableError: [
    "The camera cannot be read",
    "It may be unplugged, or another program may be using it.",
  ],
  NotSupportedError: [
    "Browsers allow cameras on this machine alone",
    "Open this page at http://localhost or http://127.0.0.1. " +
      "Two pictures or a video file work anyway.",
  ],
};
const FILE = [
  "That file cannot be read",
  "It must be a picture or a video that your browser knows.",
];

/** Title and text for an error; `wanted` is camera or file. */
export function explain(error, wanted) {
  const known = wanted === "camera" ? CAMERA[error.name] : error.name === "DataError" && FILE;
  const [title, text] = known || ["Something went wrong", String(error.message || error)];
  return { title, text };
}
