"use strict";
(() => {
  const record = JSON.parse(document.getElementById("record").textContent);
  const each = (selector, action) => document.querySelectorAll(selector).forEach(action);
  const started = new Date();
  const verdicts = new Map();
  let exported = true;

  // The same classes as in the program.
  const ariaClass = (number) => (number < 1 ? "none" : number < 5 ? "mild" : number < 10 ? "moderate" : "severe");

  // The sighting that says how sure a lesion is, as in the program.
  const decisive = (lesion) => (lesion.followup.counted || !lesion.baseline.counted ? lesion.followup : lesion.baseline);

  function reviewed() {
    const lesions = record.lesions
      .map((lesion) => ({ ...lesion, state: verdicts.has(lesion.id) ? verdicts.get(lesion.id).verdict : lesion.state }))
      .filter((lesion) => lesion.state !== "rejected");
    const tally = (state, group) => lesions.filter((l) => l.state === state && (group === null || l.group === group)).length;
    const counts = Object.fromEntries(Object.keys(record.counts).map((state) => [state, {
      total: tally(state, null), lobar: tally(state, "lobar"), deep: tally(state, "deep"),
      infratentorial: tally(state, "infratentorial"), unplaced: tally(state, "none"),
    }]));
    const seen = lesions.filter((lesion) => lesion.state === "new").map(decisive);
    const new_certainty = {
      definite: seen.filter((one) => one.certainty === "definite").length,
      possible: seen.filter((one) => one.certainty === "possible").length,
      unsteady: seen.filter((one) => one.score_note !== null).length,
    };
    const byComparing = lesions.filter((lesion) => lesion.found_by_comparing && lesion.state === "new").length;
    const new_by_comparing = record.new_by_comparing === null ? null : byComparing;
    return { counts, aria_h: ariaClass(counts.new.total), new_by_comparing, new_certainty };
  }

  function show() {
    const { counts, aria_h, new_by_comparing, new_certainty } = reviewed();
    for (const [state, numbers] of Object.entries(counts)) {
      for (const [group, number] of Object.entries(numbers)) {
        each(`[data-state="${state}"][data-group="${group}"]`, (place) => { place.textContent = number; });
      }
    }
    each('[data-count="aria_h"]', (place) => { place.textContent = aria_h; });
    each('[data-count="new_by_comparing"]', (place) => { place.textContent = new_by_comparing; });
    for (const [name, number] of Object.entries(new_certainty)) each(`[data-new="${name}"]`, (place) => { place.textContent = number; });
    const said = [...verdicts.values()];
    const rejected = new Set([...verdicts].filter(([, one]) => one.verdict === "rejected").map(([id]) => id));
    each("[data-id]", (part) => part.classList.toggle("rejected", rejected.has(Number(part.dataset.id))));
    const changed = record.lesions.filter((l) => verdicts.has(l.id) && ![l.state, "rejected"].includes(verdicts.get(l.id).verdict));
    const note = document.getElementById("review-note");
    note.hidden = said.length === 0;
    note.textContent = `Numbers follow the reader: ${said.length} of ${record.lesions.length} read, ${changed.length} changed, ${rejected.size} rejected.`;
  }

  function judge(id, verdict) {
    if (verdict === "") verdicts.delete(id);
    else verdicts.set(id, { verdict, at: new Date().toISOString() });
    each(`select.verdict[data-lesion="${id}"]`, (other) => { other.value = verdict; });
    sayOnPaper(id);
    exported = false;
    show();
  }

  // Print has no fields: it shows the word that was chosen and the note in their place.
  function sayOnPaper(id) {
    const field = document.querySelector(`select.verdict[data-lesion="${id}"]`);
    each(`[data-said="${id}"]`, (place) => { place.textContent = field.selectedOptions[0].textContent; });
  }

  const notes = () => new Map([...document.querySelectorAll("input.lesion-note")].map((field) => [Number(field.dataset.lesion), field.value.trim()]));

  function save() {
    const reader = document.getElementById("reader");
    const told = document.getElementById("export-note");
    if (!reader.value.trim()) {
      told.textContent = "Say who reads first.";
      reader.focus();
      return;
    }
    const said = notes();
    const lost = [...said].filter(([id, note]) => note && !verdicts.has(id)).map(([id]) => id);
    const content = {
      schema_version: "1.0.0",
      program_version: record.program_version,
      comparison_sha256: JSON.parse(document.getElementById("drawn").textContent).comparison_sha256,
      reader: reader.value.trim(),
      started: started.toISOString(),
      exported: new Date().toISOString(),
      verdicts: [...verdicts].sort(([a], [b]) => a - b).map(([lesion, one]) => ({ lesion, ...one, note: said.get(lesion) || "" })),
    };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
    link.download = "comparison-verdicts.json";
    link.click();
    exported = true;
    const unread = record.lesions.length - verdicts.size;
    told.textContent = [
      unread ? `Exported; ${unread} not read, they count as proposed.` : "Exported.",
      lost.length ? `A note without a verdict was left out: ${lost.join(", ")}.` : "",
    ].join(" ").trim();
  }

  const markers = document.getElementById("markers");
  if (markers) markers.addEventListener("change", () => document.body.classList.toggle("unmarked", !markers.checked));
  const button = document.getElementById("export");
  if (!button) return;
  each("select.verdict", (field) => field.addEventListener("change", () => judge(Number(field.dataset.lesion), field.value)));
  each("input.lesion-note", (field) => field.addEventListener("input", () => {
    exported = false;
    each(`[data-noted="${field.dataset.lesion}"]`, (place) => { place.textContent = field.value.trim(); });
  }));
  button.addEventListener("click", save);
  window.addEventListener("beforeunload", (event) => { if (!exported) event.preventDefault(); });
  // A browser that reloads a page may bring back what fields held.
  each("select.verdict", (field) => { field.value = ""; });
})();
