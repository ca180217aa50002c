// The dialog that adds a missed microbleed at the crosshair.

function buildAdding() {
  const select = part("adding-region");
  fillRegions(select);
  select.addEventListener("change", () => { part("adding-side").disabled = select.value === ""; });
  part("adding").addEventListener("submit", finishAdding);
}

function startAdding() {
  if (!viewer.ready) return say("A missed microbleed needs a place, and so the images, which this browser can't show.");
  if (work.started === null) return undefined;
  const mm = viewer.position;
  const near = standings().filter((f) => f.kept && apart(f.position_ras_mm, mm) <= MATCH_MM)
    .sort((one, other) => apart(one.position_ras_mm, mm) - apart(other.position_ras_mm, mm))[0];
  if (near && apart(near.position_ras_mm, mm) < SAME_MM) return say(`${near.id} in the list lies just here.`);
  part("adding").dataset.mm = JSON.stringify(mm);
  part("adding-mm").textContent = pointInWords(mm);
  fillPlace("adding", placeAt(mm, viewer.codes), mm);
  part("adding-certainty").value = "definite";
  part("adding-diameter").value = "";
  part("adding-note").value = "";
  part("adding-near").hidden = !near;
  if (near) part("adding-near").textContent = `${near.id} in the list lies ${apart(near.position_ras_mm, mm).toFixed(1)} mm from here.`;
  part("adding").showModal();
  return part("adding-region").focus();
}

function finishAdding(event) {
  const dialog = part("adding");
  if (event.submitter?.value === "cancel") return;
  const key = add({
    position_ras_mm: JSON.parse(dialog.dataset.mm).map((value) => Math.round(value * 100) / 100),
    ...givenPlace("adding"),
    certainty: part("adding-certainty").value,
    diameter_mm: part("adding-diameter").value ? Number(part("adding-diameter").value) : null,
    note: part("adding-note").value.trim(),
  });
  choose(key, false);
  say(`${key} added. ${counted().total} count.`);
}
