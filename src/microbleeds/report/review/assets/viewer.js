// NiiVue, its tiles and what the shader is told. One texture feeds all tiles, so they are linked by themselves.

const AXIAL = 0, CORONAL = 1, SAGITTAL = 2;
const SWI = 0, PHASE = 1, MIP = 2;
const NAMES = ["SWI", "Phase", "mIP"];
const PLANE_NAMES = ["axial", "coronal", "sagittal"];
// Left, right, top and bottom of a picture in radiological view, by plane.
const LETTERS = [["R", "L", "A", "P"], ["R", "L", "S", "I"], ["A", "P", "S", "I"]];
// A finding's ring stands this far off its border, so that it covers nothing.
const RING_MM = 3;
const DEFAULT_DIAMETER_MM = 3;
const MOST_ZOOM = 8;

const spanMm = facts.shape.map((count, axis) => count * facts.spacing_mm[axis]);
const contrasts = facts.phase ? [SWI, PHASE, MIP] : [SWI, MIP];

// Tiles as {plane, contrast, position: [left, top, width, height]} in shares of the canvas.
function tilesOf(layout) {
  if (layout === "axial" || layout === "swi") {
    const planes = layout === "swi" ? [AXIAL, CORONAL, SAGITTAL] : contrasts.map(() => AXIAL);
    const shown = layout === "swi" ? [SWI, SWI, SWI] : contrasts;
    const rest = shown.length - 1;
    const position = (n) => (n === 0 ? [0, 0, 0.58, 1] : [0.58, (n - 1) / rest, 0.42, 1 / rest]);
    return shown.map((contrast, n) => ({ plane: planes[n], contrast, position: position(n) }));
  }
  const n = contrasts.length;
  return contrasts.flatMap((contrast, y) =>
    [AXIAL, CORONAL, SAGITTAL].map((plane, x) => ({ plane, contrast, position: [x / 3, y / n, 1 / 3, 1 / n] })));
}

const viewer = {
  niivue: null,
  codes: null,
  layout: "all",
  tiles: [],
  zoom: 1,
  slabMm: 14,
  rings: [],
  showRings: true,
  showCross: true,
  swi: null,
  phase: null,
  onMove: () => {},

  get ready() {
    return this.niivue !== null;
  },

  async open(canvas) {
    if (!document.createElement("canvas").getContext("webgl2"))
      throw new Error("This browser offers no WebGL 2, which the images need");
    if (typeof DecompressionStream === "undefined")
      throw new Error("This browser is too old to unpack the images (it has no DecompressionStream)");
    const [swi, phase, codes] = await Promise.all(["volume-swi", "volume-phase", "volume-codes"].map(unpacked));
    this.codes = codes.voxels;
    this.stored = { swi, phase };
    const niivue = new globalThis.niivue.Niivue({
      logLevel: "error",
      backColor: [0, 0, 0, 1],
      // The page writes its own letters: these have no outline, and two of four are lacking.
      isOrientationTextVisible: false,
      crosshairWidth: 0,
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      dragMode: 0,
      dragAndDropEnabled: false,
      loadingText: "",
    });
    await niivue.attachToCanvas(canvas, false);
    this.skipGradients(niivue);
    niivue.addVolume(await globalThis.niivue.NVImage.loadFromUrl({ url: joined(swi, phase, codes), name: "scan.nii" }));
    niivue.setCustomSliceShader(SHADER);
    this.fillTiles(niivue);
    this.niivue = niivue;
    niivue.onLocationChange = () => this.moved();
    this.resetWindows();
    this.arrange("all");
    new ResizeObserver(() => this.draw()).observe(canvas);
  },

  // NiiVue prepares gradients for shaded surfaces, which nobody looks at here: half of the time to open on a graphics
  // card, minutes without one. Their two passes get a shader that draws nothing.
  skipGradients(niivue) {
    const Shader = niivue.blurShader.constructor;
    const nothing = new Shader(
      niivue.gl,
      "#version 300 es\nvoid main() { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); }",
      "#version 300 es\nprecision highp float;\nout vec4 color;\nvoid main() { color = vec4(0.0); }",
    );
    niivue.blurShader = nothing;
    niivue.sobelFirstOrderShader = nothing;
    niivue.opts.gradientOrder = 1;
  },

  // NiiVue asks for a tile's size right before it draws the tile. That is where the shader is told what the tile
  // shows; and instead of fitting the slice into the tile, the field of view is widened to the tile's shape, so that a
  // zoomed slice fills it.
  fillTiles(niivue) {
    let size = [1, 1];
    let drawn = 0;
    niivue.calculateWidthHeight = (plane, scale, width, height) => {
      const { gl, customSliceShader: { program } } = niivue;
      size = [width, height];
      gl.useProgram(program);
      gl.uniform1i(gl.getUniformLocation(program, "channel"), this.tiles[drawn % this.tiles.length].contrast);
      drawn = (drawn + 1) % this.tiles.length;
      return size;
    };
    const field = niivue.screenFieldOfViewExtendedVox.bind(niivue);
    niivue.screenFieldOfViewExtendedVox = (plane = AXIAL) => {
      const view = field(plane);
      const perPixel = Math.max(view.fovMM[0] / size[0], view.fovMM[1] / size[1]);
      for (const axis of [0, 1]) {
        const middle = (view.mnMM[axis] + view.mxMM[axis]) / 2;
        view.fovMM[axis] = perPixel * size[axis];
        view.mnMM[axis] = middle - view.fovMM[axis] / 2;
        view.mxMM[axis] = middle + view.fovMM[axis] / 2;
      }
      return view;
    };
    this.restart = () => { drawn = 0; };
  },

  arrange(layout) {
    this.layout = layout;
    this.tiles = tilesOf(layout);
    this.restart();
    this.niivue.customLayout = this.tiles.map(({ plane, position }) => ({ sliceType: plane, position }));
    this.draw();
  },

  resetWindows() {
    this.swi = { ...facts.swi };
    this.phase = facts.phase && { ...facts.phase };
    this.draw();
  },

  // Crosshair in RAS mm.
  get position() {
    const { niivue } = this;
    return [...niivue.frac2mm(niivue.scene.crosshairPos, 0, true)].slice(0, 3);
  },

  moveTo(mm, centre = true) {
    const { niivue } = this;
    niivue.scene.crosshairPos = niivue.mm2frac(mm, 0, true).map((share) => Math.min(Math.max(share, 0), 1));
    if (centre) this.centre();
    this.draw();
    this.moved();
  },

  moveBy(voxels) {
    const ijk = toIjk(this.position).map((value, axis) =>
      Math.min(Math.max(Math.round(value) + voxels[axis], 0), facts.shape[axis] - 1));
    this.moveTo(toMm(ijk), false);
  },

  setZoom(zoom) {
    this.zoom = Math.min(Math.max(zoom, 1), MOST_ZOOM);
    this.centre();
    this.draw();
  },

  // The crosshair in the middle of every tile, unless all of the brain is shown.
  centre() {
    const { niivue, zoom } = this;
    const { extentsMinOrtho: low, extentsMaxOrtho: high } = niivue.volumes[0];
    const at = niivue.frac2mm(niivue.scene.crosshairPos);
    const pan = [0, 1, 2].map((axis) => (zoom === 1 ? 0 : (low[axis] + high[axis]) / 2 - zoom * at[axis]));
    niivue.scene.pan2Dxyzmm = [...pan, zoom];
  },

  moved() {
    this.tell();
    this.onMove();
  },

  draw() {
    if (!this.ready) return;
    this.tell();
    this.niivue.drawScene();
  },

  // Tell the shader everything; a dozen numbers, so there is no need to know what has changed.
  tell() {
    const { niivue } = this;
    const { gl } = niivue;
    const { program } = niivue.customSliceShader;
    const at = (name) => gl.getUniformLocation(program, name);
    const share = (stored, { low, high }) => [low, high].map((value) => (value - stored.inter) / stored.slope / 255);
    const phase = this.phase ? share(this.stored.phase, this.phase) : [0, 1];
    const rings = this.showRings ? this.rings.slice(0, MOST_RINGS) : [];
    const flat = (key) => new Float32Array(4 * MOST_RINGS).map((_, n) => rings[n >> 2]?.[key][n & 3] ?? 0);
    gl.useProgram(program);
    gl.uniform4f(at("windows"), ...share(this.stored.swi, this.swi), ...phase);
    gl.uniform3f(at("spanMm"), ...spanMm);
    gl.uniform1f(at("slabMm"), this.slabMm);
    gl.uniform3f(at("cross"), ...niivue.scene.crosshairPos);
    gl.uniform1f(at("crossGapMm"), this.showCross ? 8 : -1);
    gl.uniform1f(at("pixel"), niivue.uiData.dpr ?? 1);
    gl.uniform1i(at("ringCount"), rings.length);
    gl.uniform4fv(at("rings"), flat("place"));
    gl.uniform4fv(at("ringColours"), flat("colour"));
  },

  // Rings for findings {position_ras_mm, diameter_mm, colour: [r, g, b, a]}.
  mark(findings) {
    this.rings = findings.map(({ position_ras_mm: mm, diameter_mm: diameter, colour }) => ({
      place: [...toIjk(mm).map((value, axis) => (value + 0.5) / facts.shape[axis]), (diameter ?? DEFAULT_DIAMETER_MM) / 2 + RING_MM],
      colour,
    }));
    this.draw();
  },
};
