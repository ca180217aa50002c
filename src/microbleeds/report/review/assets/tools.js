// The toolbar, the mouse beyond NiiVue's own, and the export.

function showTools() {
  part("slab").value = viewer.slabMm;
  part("slab-out").textContent = `${viewer.slabMm} mm`;
  part("zoom").value = viewer.zoom;
  part("zoom-out").textContent = `${viewer.zoom}×`;
  each("[data-layout]", (button) => button.setAttribute("aria-pressed", String(button.dataset.layout === viewer.layout)));
  part("rings").checked = viewer.showRings;
  part("cross").checked = viewer.showCross;
  const scale = reach();
  part("swi-level").value = (viewer.swi.low + viewer.swi.high) / 2 / scale;
  part("swi-width").value = (viewer.swi.high - viewer.swi.low) / scale;
  if (viewer.phase) {
    part("phase-width").value = viewer.phase.high;
    part("phase-out").textContent = `${viewer.phase.high.toFixed(2)} rad`;
  }
  showLabels();
}

// The brightest value that the stored SWI can hold.
const reach = () => viewer.stored.swi.inter + 255 * viewer.stored.swi.slope;

function showLabels() {
  part("labels").replaceChildren(...viewer.tiles.map(({ plane, contrast, position }) => {
    const label = made("span", {}, contrast === MIP ? `mIP ${viewer.slabMm} mm ` : `${NAMES[contrast]} `, made("i", {}, PLANE_NAMES[plane]));
    label.style.left = `${100 * position[0]}%`;
    label.style.top = `${100 * position[1]}%`;
    // Half of a tile: NiiVue's letter stands in its middle.
    label.style.maxWidth = `calc(${50 * position[2]}% - 5px)`;
    return label;
  }));
}

function showPosition() {
  const mm = viewer.position;
  const place = part("position");
  const { count, weights, images } = facts.slices;
  const across = weights.reduce((sum, weight, axis) => sum + weight * (mm[axis] ?? 1), 0);
  const slice = Math.min(Math.max(Math.round(across), 0), count - 1);
  const image = images && images.numbers.length === count ? `, series ${images.series}, ${images.frames ? "frame" : "image"} ${images.numbers[slice]}` : "";
  place.dataset.mm = mm.map((value) => value.toFixed(2)).join(",");
  place.querySelector(".mm").textContent = pointInWords(mm);
  place.querySelector(".where").textContent = facts.located ? inWords(placeAt(mm, viewer.codes)) : "";
  place.querySelector(".slice").textContent = `slice ${slice + 1} of ${count}${image}`;
}

function arrange(layout) {
  viewer.arrange(layout);
  showTools();
}

function setSlab(mm) {
  viewer.slabMm = Math.min(Math.max(mm, 2), 40);
  viewer.draw();
  showTools();
}

function setZoom(zoom) {
  viewer.setZoom(zoom);
  showTools();
}

function setSwi(level, width) {
  viewer.swi = { low: level - width / 2, high: level + width / 2 };
  viewer.draw();
  showTools();
}

function setPhase(width) {
  const limited = Math.min(Math.max(width, 0.1), 3.15);
  viewer.phase = { low: -limited, high: limited };
  viewer.draw();
  showTools();
}

function toggle(name, value = !viewer[name]) {
  viewer[name] = value;
  viewer.draw();
  showTools();
}

function toggleForm() {
  const open = part("form").hidden;
  part("form").hidden = !open;
  part("panel").setAttribute("aria-expanded", String(open));
}

// Right button: up and down change the level, left and right the width, of what lies under the pointer.
function dragWindow(event) {
  if (event.button !== 2) return;
  const stage = part("stage").getBoundingClientRect();
  const at = [(event.clientX - stage.left) / stage.width, (event.clientY - stage.top) / stage.height];
  const inside = ({ position: [x, y, w, h] }) => at[0] >= x && at[0] < x + w && at[1] >= y && at[1] < y + h;
  const onPhase = viewer.tiles.find(inside)?.contrast === PHASE;
  const from = { x: event.clientX, y: event.clientY, ...viewer.swi, phase: viewer.phase?.high };
  const move = (now) => {
    const right = (now.clientX - from.x) / 300, down = (now.clientY - from.y) / 300;
    if (onPhase) setPhase(from.phase * Math.exp(right));
    else setSwi((from.low + from.high) / 2 + down * 0.5 * reach(), (from.high - from.low) * Math.exp(right));
  };
  const stop = () => window.removeEventListener("pointermove", move);
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", stop, { once: true });
  event.stopPropagation();
}

function wireTools() {
  each("[data-layout]", (button) => button.addEventListener("click", () => arrange(button.dataset.layout)));
  part("slab").addEventListener("input", (event) => setSlab(Number(event.target.value)));
  part("zoom").addEventListener("input", (event) => setZoom(Number(event.target.value)));
  part("rings").addEventListener("change", (event) => toggle("showRings", event.target.checked));
  part("cross").addEventListener("change", (event) => toggle("showCross", event.target.checked));
  const swi = () => setSwi(Number(part("swi-level").value) * reach(), Number(part("swi-width").value) * reach());
  part("swi-level").addEventListener("input", swi);
  part("swi-width").addEventListener("input", swi);
  part("phase-width")?.addEventListener("input", (event) => setPhase(Number(event.target.value)));
  part("window-reset").addEventListener("click", () => { viewer.resetWindows(); showTools(); });
  const stage = part("stage");
  stage.addEventListener("pointerdown", dragWindow, true);
  for (const name of ["mousedown", "mouseup"])
    stage.addEventListener(name, (event) => { if (event.button === 2) event.stopPropagation(); }, true);
  // NiiVue would set its own window on a double click.
  stage.addEventListener("dblclick", (event) => event.stopPropagation(), true);
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    setZoom(viewer.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
  }, { capture: true, passive: false });
}

function exportVerdicts() {
  if (hidden()) return say("The findings are still hidden: show them before you export.");
  if (!work.reader.trim()) {
    part("reader").focus();
    return say("Enter the reader's name first.");
  }
  work.exported = state();
  keep();
  const text = JSON.stringify(exported(), null, 2);
  const link = made("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "verdicts.json" });
  link.click();
  const open = facts.findings.filter((finding) => finding.kept && !work.verdicts[finding.id]).length;
  const unkept = Object.keys(work.notes).filter((id) => work.notes[id] && !work.verdicts[id]).length;
  return say([
    "Exported verdicts.json.",
    open && `${open === 1 ? "1 finding has no verdict and counts" : `${open} findings have no verdict and count`} as the model proposed.`,
    unkept && `${unkept === 1 ? "1 note is" : `${unkept} notes are`} not in it, since a note goes with a verdict.`,
  ].filter(Boolean).join(" "));
}
