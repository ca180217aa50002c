// Counts and MARS form, which follow every verdict at once.

function buildForm() {
  const table = part("form").querySelector("table");
  for (const group of ["infratentorial", "deep", "lobar"]) {
    const body = made("tbody", { className: group });
    body.append(made("tr", { className: "group" }, made("th", { scope: "rowgroup", colSpan: 5 }, group)));
    for (const { row, words } of facts.rows.filter((one) => one.group === group)) {
      const line = made("tr", {}, made("th", { scope: "row" }, words));
      for (const column of COLUMNS) {
        const cell = made("td");
        Object.assign(cell.dataset, { row, column });
        line.append(cell);
      }
      body.append(line);
    }
    table.append(body);
  }
}

function showForm() {
  const counts = counted();
  each("[data-count]", (place) => { place.textContent = counts[place.dataset.count]; });
  each("td[data-row]", (cell) => {
    const value = counts.cell(cell.dataset.row, cell.dataset.column);
    cell.textContent = value || "·";
    cell.classList.toggle("some", value > 0);
  });
  const open = facts.findings.filter((finding) => finding.kept);
  const judged = open.filter((finding) => work.verdicts[finding.id]).length;
  const more = work.added.length ? `, ${work.added.length} added` : "";
  part("progress").textContent = hidden() ? `${work.added.length} marked` : `${judged} of ${open.length} judged${more}`;
  part("unaided").hidden = !(work.unaided && work.unaided.ended === null);
  part("undo").disabled = undone.length === 0;
  if (document.activeElement !== part("reader")) part("reader").value = work.reader;
}
