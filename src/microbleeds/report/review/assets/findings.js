// The list of findings: what can be chosen, and what is chosen.

const COLOURS = {
  null: [1, 0.83, 0.3, 0.85], accepted: [0.37, 0.83, 0.52, 0.9], uncertain: [0.98, 0.62, 0.26, 0.9],
  rejected: [0.6, 0.64, 0.68, 0.6], added: [0.45, 0.7, 1, 0.9],
};
const DECISIONS = [["accepted", "✓", "Accept (A)"], ["uncertain", "?", "Uncertain (U)"], ["rejected", "✕", "Reject (R)"]];
let chosen = null;

const listed = () => standings().filter((f) => f.kept || f.verdict !== null || byId.get(f.id)?.kept || part("removed").checked);

function scoreOf(finding) {
  if (finding.score === undefined) return finding.unaided ? "added, unaided" : "added";
  return `score ${finding.score.toFixed(2)}`;
}

// What is worth saying of a place: that another group is near, or that it is the reader's.
const TRUST = { border: "border", reader: "placed by you" };

// What the program itself doubts about a finding, in sentences.
function notesOn(finding) {
  return [finding.score_note, finding.mineralisation_note].filter(Boolean).join(" ");
}

function rowOf(finding) {
  const { id, verdict, group } = finding;
  const name = typeof id === "number" ? `Finding ${id}` : `Added ${id}`;
  const words = finding.score === undefined ? inWords(finding) : finding.words;
  const size = finding.diameter_mm ? `${finding.diameter_mm.toFixed(1)} mm` : "size unknown";
  const standing = finding.kept ? finding.certainty : verdict === "rejected" ? "rejected" : "not counted";
  const state = [standing, TRUST[finding.place_confidence]].filter(Boolean).join(" · ");
  const picture = finding.thumbnails?.[0];
  const doubts = [finding.score_note && "unsteady", finding.mineralisation_note && "mineral?"].filter(Boolean);
  const jump = made("button", { type: "button", className: "jump", title: finding.reason ?? notesOn(finding) },
    picture ? made("img", { src: picture.source, alt: "", width: 46, height: 46 }) : made("span", { className: "blank" }),
    made("span", { className: "what" },
      made("span", { className: "line" }, made("b", { className: `number ${group}` }, String(id)), made("span", { className: "words" }, words)),
      made("span", { className: "small" }, `${scoreOf(finding)} · ${size} · ${state}`, ...doubts.map((doubt) => made("span", { className: "doubt" }, doubt)))));
  jump.setAttribute("aria-label", `${name}: ${words}, ${scoreOf(finding)}, ${size}, ${[state, ...doubts].join(", ")}`);
  jump.addEventListener("click", () => choose(id));
  const now = verdict === "added" ? (finding.certainty === "definite" ? "accepted" : "uncertain") : verdict;
  const buttons = DECISIONS.map(([decision, sign, title]) => {
    const button = made("button", { type: "button", className: decision, title }, sign);
    button.setAttribute("aria-label", `${title.split(" (")[0]} ${name.toLowerCase()}`);
    button.setAttribute("aria-pressed", String(now === decision));
    button.addEventListener("click", () => {
      choose(id, false);
      judge(id, now === decision && verdict !== "added" ? null : decision);
    });
    return button;
  });
  const row = made("li", { className: `${verdict ?? "open"}${finding.kept ? "" : " out"}${id === chosen ? " chosen" : ""}` }, jump,
    made("span", { className: "verdict", role: "group" }, ...buttons));
  row.dataset.id = id;
  if (id === chosen) jump.setAttribute("aria-current", "true");
  return row;
}

function showFindings() {
  const rows = listed();
  if (!rows.some((finding) => finding.id === chosen)) chosen = null;
  const active = document.activeElement?.closest?.("#findings li")?.dataset.id;
  const which = document.activeElement?.className;
  part("findings").replaceChildren(...rows.map(rowOf));
  if (active) part("findings").querySelector(`li[data-id="${CSS.escape(active)}"] .${which.split(" ")[0]}`)?.focus();
  part("empty").hidden = rows.length > 0;
  part("empty").textContent = hidden() ? "The model's findings are hidden. Mark what you see with M." : "No microbleed was found or added.";
  const removed = facts.findings.filter((finding) => !finding.kept).length;
  part("more").hidden = hidden() || removed === 0;
  part("more").querySelector("span").textContent = `Show ${removed} that the model did not count`;
  showNote();
  showPlacing();
  viewer.mark(rows.map((finding) => ({
    ...finding, colour: finding.id === chosen ? [...(COLOURS[finding.verdict].slice(0, 3)), 1] : COLOURS[finding.verdict],
  })));
}

function showNote() {
  const field = part("note-field");
  const notes = notesOn(facts.findings.find((finding) => finding.id === chosen) ?? {});
  part("doubts").hidden = !notes;
  part("doubts").textContent = notes;
  field.hidden = chosen === null;
  if (chosen === null) return;
  field.querySelector("span").textContent = `Note on ${chosen}`;
  if (document.activeElement !== part("note")) part("note").value = noteOn(chosen);
}

function choose(id, jump = true) {
  chosen = id;
  const finding = standings().find((one) => one.id === id);
  showFindings();
  part("findings").querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  if (!finding) return;
  if (jump && viewer.ready) viewer.moveTo(finding.position_ras_mm);
  showStills(finding);
}

function step(by) {
  const rows = listed();
  if (!rows.length) return;
  const at = rows.findIndex((finding) => finding.id === chosen);
  choose(rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : (at + by + rows.length) % rows.length].id);
}

// Pictures of the chosen finding for browsers that can't show the volumes.
function showStills(finding) {
  if (viewer.ready || !viewer.failed) return;
  const pictures = (finding.thumbnails ?? []).map(({ name, source }) =>
    made("figure", {}, made("img", { src: source, alt: `${name} of finding ${finding.id}` }), made("figcaption", {}, name)));
  part("stills").replaceChildren(...(pictures.length ? pictures : ["There is no picture of this finding."]));
  part("stills").hidden = false;
}
