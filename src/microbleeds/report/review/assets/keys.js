// Everything by keyboard. Keys go to fields and dialogs first; NiiVue's own keys are kept from it.

const ACTIONS = {
  n: () => step(1), p: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
  ArrowRight: () => step(1), ArrowLeft: () => step(-1),
  a: () => decide("accepted"), u: () => decide("uncertain"), r: () => decide("rejected"), c: () => decide(null), l: () => confirmPlace(),
  m: () => startAdding(), z: () => undo(), e: () => exportVerdicts(), f: () => toggleForm(), "?": () => part("keys").showModal(),
};
const IMAGE_ACTIONS = {
  j: () => viewer.moveBy([0, 0, -1]), k: () => viewer.moveBy([0, 0, 1]),
  PageDown: () => viewer.moveBy([0, 0, -1]), PageUp: () => viewer.moveBy([0, 0, 1]),
  "+": () => setZoom(viewer.zoom + 0.5), "=": () => setZoom(viewer.zoom + 0.5), "-": () => setZoom(viewer.zoom - 0.5), 0: () => setZoom(1),
  g: () => zoomCloser(),
  "[": () => setSlab(viewer.slabMm - 2), "]": () => setSlab(viewer.slabMm + 2),
  1: () => arrange("all"), 2: () => arrange("axial"), 3: () => arrange("swi"),
  h: () => toggle("showRings"), x: () => toggle("showCross"),
};
// The picture's left is the patient's right.
const NUDGES = { ArrowLeft: [1, 0, 0], ArrowRight: [-1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0] };

function decide(verdict) {
  if (chosen === null) say("Choose a finding first (N).");
  else judge(chosen, verdict);
}

function actionOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && key === "z") return undo;
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (viewer.ready && event.shiftKey && NUDGES[key]) return () => viewer.moveBy(NUDGES[key]);
  return ACTIONS[key] ?? (viewer.ready ? IMAGE_ACTIONS[key] : null) ?? null;
}

// Text is typed into fields; lists and sliders keep the arrows. Letters are actions there too: a list would
// otherwise take the next "L" for the option that begins with it.
function keptByField({ target, key }) {
  if (target.closest?.("input:not([type=checkbox], [type=range]), textarea")) return true;
  return target.closest?.("select, input[type=range]") && !(key.length === 1 && key !== " ");
}

function onKey(event) {
  if (keptByField(event) || document.querySelector("dialog[open]") || work.started === null) return;
  if (event.target === part("canvas")) event.stopPropagation();
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  action();
}

function wireKeys() {
  window.addEventListener("keydown", onKey, true);
  window.addEventListener("keyup", (event) => { if (event.target === part("canvas")) event.stopPropagation(); }, true);
}
