// Where a point of the world (RAS mm) lies: its voxel, and its region by the same vote as in the program.

const RIM_MM = 2.5;
const GROUPS = ["lobar", "deep", "infratentorial"];
const UNKNOWN = { region: null, side: "none", group: "none", row: null, words: "place unknown" };

const inverse = (() => {
  const [[a, b, c], [d, e, f], [g, h, i]] = facts.affine;
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
    [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
    [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
  ];
})();

const times = (matrix, vector) => matrix.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
const toIjk = (mm) => times(inverse, mm.map((value, axis) => value - facts.affine[axis][3]));
const toMm = (ijk) => times(facts.affine, ijk).map((value, axis) => value + facts.affine[axis][3]);
const apart = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);

// Voxel offsets of a ball.
const ball = (() => {
  const reach = facts.spacing_mm.map((spacing) => Math.ceil(RIM_MM / spacing));
  const offsets = [];
  for (let i = -reach[0]; i <= reach[0]; i += 1)
    for (let j = -reach[1]; j <= reach[1]; j += 1)
      for (let k = -reach[2]; k <= reach[2]; k += 1)
        if (Math.hypot(...times(facts.affine, [i, j, k])) <= RIM_MM) offsets.push([i, j, k]);
  return offsets;
})();

// The name with the most votes, of pairs of a name and how much it counts.
function most(votes) {
  const counts = new Map();
  for (const [name, weight] of votes) counts.set(name, (counts.get(name) ?? 0) + weight);
  return [...counts].sort((one, other) => other[1] - one[1])[0][0];
}

// The region with the most votes among those of the ball's winning group, nearer voxels counting more; the place is
// unknown where no parenchyma is near.
function placeAt(mm, codes) {
  if (!facts.located || !codes) return UNKNOWN;
  const [nx, ny, nz] = facts.shape;
  const ijk = toIjk(mm);
  const centre = ijk.map(Math.round);
  const around = [];
  for (const offset of ball) {
    const [i, j, k] = centre.map((value, axis) => value + offset[axis]);
    if (i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz) continue;
    const place = facts.places[codes[i + nx * (j + ny * k)]];
    const away = Math.hypot(...times(facts.affine, [i - ijk[0], j - ijk[1], k - ijk[2]])) / RIM_MM;
    if (place) around.push([place, Math.exp(-2 * away * away)]);
  }
  if (!around.length) return UNKNOWN;
  const group = most(around.map(([place, weight]) => [place.group, weight]));
  return most(around.filter(([place]) => place.group === group));
}

function placeOf(region, side) {
  const found = Object.values(facts.places).find((place) => place.region === region && place.side === side);
  return found ?? UNKNOWN;
}

// A point as readers say it: L 12.1, A 36.5, S 19.0 mm.
const SIGNS = ["RL", "AP", "SI"];
const pointInWords = (mm) => `${mm.map((value, axis) => `${SIGNS[axis][value < 0 ? 1 : 0]} ${Math.abs(value).toFixed(1)}`).join(", ")} mm`;

const inWords = (place) => (place.side === "none" ? place.words : `${place.side} ${place.words}`);
