// The volumes in the page: gzipped NIfTI in base64, one byte a voxel, all on one grid.

const NIFTI_RGBA = 2304;
// What the blue channel holds where there is brain.
const BRAIN_CORE = 255, BRAIN_EDGE = 128;

function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let n = 0; n < raw.length; n += 1) bytes[n] = raw.charCodeAt(n);
  return bytes;
}

async function unpacked(id) {
  const holder = part(id);
  if (!holder) return null;
  const stream = new Blob([bytesOf(holder.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const header = new DataView(bytes.buffer);
  const start = header.getFloat32(108, true);
  return {
    bytes,
    start,
    voxels: bytes.subarray(start),
    // Value = slope * stored + inter.
    slope: header.getFloat32(112, true),
    inter: header.getFloat32(116, true),
  };
}

// A mask without the voxels that touch others: as `core_of` in `report/planes.py`.
function coreOf(brain, shape) {
  const core = brain.slice();
  let stride = 1;
  for (const length of shape) {
    for (let first = 0; first < core.length; first += 1)
      if (Math.floor(first / stride) % length === 0) erodeLine(core, first, stride, length);
    stride *= length;
  }
  return core;
}

// Beyond the end of a line lies what its last voxel is.
function erodeLine(core, first, stride, length) {
  const last = first + stride * (length - 1);
  let before = core[first];
  for (let at = first; at <= last; at += stride) {
    const here = core[at];
    const after = at === last ? here : core[at + stride];
    core[at] = before && here && after ? 1 : 0;
    before = here;
  }
}

// One RGBA volume (SWI, phase, brain) gives linked views from one texture, which the shader takes apart again.
function joined(swi, phase, codes) {
  const count = swi.voxels.length;
  const brain = codes.voxels.map((code) => (code ? 1 : 0));
  const core = coreOf(brain, facts.shape);
  const bytes = new Uint8Array(swi.start + 4 * count);
  bytes.set(swi.bytes.subarray(0, swi.start));
  const header = new DataView(bytes.buffer);
  header.setInt16(70, NIFTI_RGBA, true);
  header.setInt16(72, 32, true);
  header.setFloat32(112, 1, true);
  header.setFloat32(116, 0, true);
  header.setFloat32(124, 0, true);
  header.setFloat32(128, 0, true);
  for (let n = 0, at = swi.start; n < count; n += 1, at += 4) {
    bytes[at] = swi.voxels[n];
    bytes[at + 1] = phase ? phase.voxels[n] : 0;
    bytes[at + 2] = brain[n] * (core[n] ? BRAIN_CORE : BRAIN_EDGE);
    bytes[at + 3] = 255;
  }
  return bytes.buffer;
}
