// Reads the bytes that Python sends: a safetensors file whose metadata holds one JSON document.
// Numbers and images only; text is always set with `textContent`.

const TYPES = { U8: Uint8Array, I32: Int32Array, F32: Float32Array };

function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const { json } = header.__metadata__;
  const arrays = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = entry.data_offsets.map((offset) => offset + 8 + length);
    const part = bytes.slice(from, to); // a copy, so that it is aligned
    arrays[name] = { shape: entry.shape, data: new TYPES[entry.dtype](part.buffer) };
  }
  return { ...JSON.parse(json), arrays };
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function bitmap(bytes) {
  return createImageBitmap(new Blob([bytes], { type: "image/webp" }));
}
