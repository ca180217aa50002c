(() => {
  "use strict";
  const record = JSON.parse(document.getElementById("record").textContent);
  const kept = record.findings.filter((finding) => finding.kept);
  const COLUMNS = ["definite_right", "definite_left", "possible_right", "possible_left"];
  const each = (selector, action, root = document) => root.querySelectorAll(selector).forEach(action);
  const rejected = () => new Set([...document.querySelectorAll("input.counts")].filter((box) => !box.checked).map((box) => Number(box.value)));

  const doubtful = record.segmentation !== null && record.segmentation.located && !record.segmentation.confident;
  function bombsColumn(f) {
    if (f.diameter_mm === null || f.diameter_mm > 10) return "without_size";
    return `${f.certainty === "definite" ? "certain" : "uncertain"}_${f.side}_${f.diameter_mm < 5 ? "below_5mm" : "5_to_10mm"}`;
  }

  function reviewed(out) {
    const counted = kept.filter((finding) => !out.has(finding.id));
    const number = (test) => counted.filter(test).length;
    const total = counted.length;
    const form = record.form.map((row) => ({
      ...row,
      ...Object.fromEntries(COLUMNS.map((column) => [column, number((f) => f.row === row.row && `${f.certainty}_${f.side}` === column)])),
    }));
    const counts = {
      total,
      lobar: number((f) => f.group === "lobar"),
      deep: number((f) => f.group === "deep"),
      infratentorial: number((f) => f.group === "infratentorial"),
      unplaced: number((f) => f.group === "none"),
      definite: number((f) => f.certainty === "definite"),
      possible: number((f) => f.certainty === "possible"),
      burden_class: burdenClass(total),
      strictly_lobar: strictlyLobar(counted, doubtful),
    };
    const bombs = record.bombs.map((row) => {
      const own = counted.filter((f) => f.bombs_row === row.row && f.side !== "none");
      const columns = Object.keys(row).filter((name) => name !== "group" && name !== "row" && name !== "total");
      return { ...row, total: own.length, ...Object.fromEntries(columns.map((name) => [name, own.filter((f) => bombsColumn(f) === name).length])) };
    });
    const scales = record.scales.map((scale) => {
      const group = (f) => ({ MARS: f.group, BOMBS: f.bombs_group, Kim: f.kim_group })[scale.name] ?? "none";
      const row = (f) => ({ MARS: f.row, BOMBS: f.bombs_row, Kim: f.kim_group })[scale.name];
      return {
        ...scale,
        lobar: number((f) => group(f) === "lobar"),
        deep: number((f) => group(f) === "deep"),
        infratentorial: number((f) => group(f) === "infratentorial"),
        unplaced: number((f) => group(f) === "none"),
        rows: Object.fromEntries(Object.keys(scale.rows).map((name) => [name, number((f) => row(f) === name)])),
      };
    });
    return { counts, form, scales, bombs };
  }

  function sortBy(header) {
    const table = header.closest("table");
    const column = [...header.parentNode.children].indexOf(header);
    const rising = header.getAttribute("aria-sort") !== "ascending";
    each("th[aria-sort]", (other) => other.removeAttribute("aria-sort"), table);
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const rows = [...table.tBodies[0].rows];
    const order = (a, b) => (Number.isNaN(a - b) ? a.localeCompare(b, "en") : a - b);
    rows.sort((a, b) => (rising ? 1 : -1) * order(value(a), value(b)));
    table.tBodies[0].append(...rows);
  }

  function show() {
    const out = rejected();
    const { counts, form, scales, bombs } = reviewed(out);
    const fill = (cell, value) => {
      cell.textContent = value || "–";
      cell.classList.toggle("some", value > 0);
    };
    each("[data-bombs]", (cell) => fill(cell, bombs.find((row) => row.row === cell.dataset.bombs)[cell.dataset.column]));
    each("[data-scale]", (cell) => fill(cell, scales.find((scale) => scale.name === cell.dataset.scale)[cell.dataset.group]));
    for (const [name, value] of Object.entries(counts)) each(`[data-count="${name}"]`, (place) => { place.textContent = value; });
    each('[data-count="burden_class"]', (place) => { place.textContent = burdenInWords(counts.burden_class); });
    each('[data-count="strictly_lobar"]', (place) => { place.textContent = strictlyInWords(counts.strictly_lobar); });
    const sum = (rows) => rows.reduce((all, row) => all + COLUMNS.reduce((n, column) => n + row[column], 0), 0);
    each("[data-form-group]", (cell) => { cell.textContent = sum(form.filter((row) => row.group === cell.dataset.formGroup)); });
    each("[data-row]", (cell) => {
      const row = form.find((one) => one.row === cell.dataset.row);
      const value = cell.dataset.column === "total" ? sum([row]) : row[cell.dataset.column];
      fill(cell, value);
    });
    each("[data-id]", (part) => part.classList.toggle("rejected", out.has(Number(part.dataset.id))));
    const note = document.getElementById("review-note");
    note.hidden = out.size === 0;
    note.textContent = `Numbers follow the reader: ${out.size} of ${kept.length} findings rejected.`;
  }

  each(".sortable th button", (button) => button.addEventListener("click", () => sortBy(button.closest("th"))));
  each("input.counts", (box) => box.addEventListener("change", show));
  const markers = document.getElementById("markers");
  if (markers) markers.addEventListener("change", () => document.body.classList.toggle("unmarked", !markers.checked));
  const regions = document.getElementById("regions-shown");
  if (regions) regions.addEventListener("change", () => document.body.classList.toggle("bare", !regions.checked));
  show();
})();
