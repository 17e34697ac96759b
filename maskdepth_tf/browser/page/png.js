// PNG files with what a canvas cannot write: 16 bits, grey, colours under alpha 0.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const KINDS = { grey: 0, rgba: 6 };

const CRCS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

/**
 * Encodes a picture.
 *
 * @param {Uint8Array|Uint16Array} values From the first row on; 16 bits make a file of
 *   16 bits.
 * @param {string} kind grey or rgba.
 * @returns {Promise<Blob>}
 */
export async function encode(values, width, height, kind) {
  const bits = 8 * values.BYTES_PER_ELEMENT;
  const bytes = bits === 16 ? bigEndian(values) : values;
  const length = bytes.length / height;
  const rows = new Uint8Array((length + 1) * height); // each begins with its filter: none
  for (let row = 0; row < height; row++) {
    rows.set(bytes.subarray(row * length, (row + 1) * length), row * (length + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([bits, KINDS[kind], 0, 0, 0], 8);
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", await deflate(rows)),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Blob(parts, { type: "image/png" });
}

function bigEndian(values) {
  const bytes = new Uint8Array(2 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint16(2 * i, value));
  return bytes;
}

async function deflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(name, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < bytes.length - 4; i++) crc = CRCS[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.length, (crc ^ 0xffffffff) >>> 0);
  return bytes;
}
