// The volumes in the page: gzipped NIfTI in base64, one byte a voxel, all on one grid.

const NIFTI_RGBA = 2304;

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

// One RGBA volume (SWI, phase, brain) gives linked views from one texture, which the shader takes apart again.
function joined(swi, phase, codes) {
  const count = swi.voxels.length;
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
    bytes[at + 2] = codes.voxels[n] ? 255 : 0;
    bytes[at + 3] = 255;
  }
  return bytes.buffer;
}
