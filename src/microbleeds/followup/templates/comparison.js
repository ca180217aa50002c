"use strict";
(() => {
  const record = JSON.parse(document.getElementById("record").textContent);
  const each = (selector, action) => document.querySelectorAll(selector).forEach(action);
  const rejected = () => new Set([...document.querySelectorAll("input.counts")].filter((box) => !box.checked).map((box) => Number(box.value)));

  // The same classes as in the program.
  const ariaClass = (number) => (number < 1 ? "none" : number < 5 ? "mild" : number < 10 ? "moderate" : "severe");

  function reviewed() {
    const out = rejected();
    const lesions = record.lesions.filter((lesion) => !out.has(lesion.id));
    const tally = (state, group) => lesions.filter((l) => l.state === state && (group === null || l.group === group)).length;
    const counts = Object.fromEntries(Object.keys(record.counts).map((state) => [state, {
      total: tally(state, null), lobar: tally(state, "lobar"), deep: tally(state, "deep"),
      infratentorial: tally(state, "infratentorial"), unplaced: tally(state, "none"),
    }]));
    const byComparing = lesions.filter((lesion) => lesion.found_by_comparing).length;
    const new_by_comparing = record.new_by_comparing === null ? null : byComparing;
    return { ...record, counts, aria_h: ariaClass(counts.new.total), new_by_comparing, lesions };
  }

  function show() {
    const out = rejected();
    const { counts, aria_h, new_by_comparing } = reviewed();
    for (const [state, numbers] of Object.entries(counts)) {
      for (const [group, number] of Object.entries(numbers)) {
        each(`[data-state="${state}"][data-group="${group}"]`, (place) => { place.textContent = number; });
      }
    }
    each('[data-count="aria_h"]', (place) => { place.textContent = aria_h; });
    each('[data-count="new_by_comparing"]', (place) => { place.textContent = new_by_comparing; });
    each("[data-id]", (part) => part.classList.toggle("rejected", out.has(Number(part.dataset.id))));
    const note = document.getElementById("review-note");
    note.hidden = out.size === 0;
    note.textContent = `Numbers follow the reader: ${out.size} of ${record.lesions.length} rejected.`;
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(reviewed(), null, 2)], { type: "application/json" }));
    link.download = "comparison-reviewed.json";
    link.click();
  }

  if (record.counts === null) return;
  each("input.counts", (box) => box.addEventListener("change", show));
  const markers = document.getElementById("markers");
  if (markers) markers.addEventListener("change", () => document.body.classList.toggle("unmarked", !markers.checked));
  const button = document.getElementById("save");
  if (button) button.addEventListener("click", save);
  show();
})();
