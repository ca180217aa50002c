// Counts and form after the verdicts, by the program's rules: burden classes, "strictly lobar" by Boston v2.0.

const COLUMNS = ["definite_right", "definite_left", "possible_right", "possible_left"];

// A finding as it stands now: does it count, and how surely.
function standing(finding) {
  const verdict = work.verdicts[finding.id]?.verdict ?? null;
  if (verdict === null) return { ...finding, verdict };
  const certainty = verdict === "accepted" ? "definite" : verdict === "uncertain" ? "possible" : finding.certainty;
  return { ...finding, verdict, certainty, kept: verdict !== "rejected" };
}

function additions() {
  const place_confidence = facts.confident ? null : "uncertain";
  return work.added.map((one) => ({
    ...one, ...placeOf(one.region, one.side), place_confidence, id: one.key, kept: true, verdict: "added",
  }));
}

function standings() {
  return [...(hidden() ? [] : facts.findings.map(standing)), ...additions()];
}

function counted() {
  const kept = standings().filter((finding) => finding.kept);
  const number = (test) => kept.filter(test).length;
  const total = kept.length;
  const spoils = (f) => f.group === "deep" || (f.group === "infratentorial" && f.region !== "cerebellum");
  const unplaced = number((f) => f.group === "none");
  const lobar = number((f) => f.group === "lobar");
  const sure = (f) => f.group !== "none" && f.place_confidence !== "border";
  const strictly = !facts.confident ? "unknown" : number((f) => spoils(f) && sure(f)) ? "no"
    : number(sure) < total ? "unknown" : lobar > 0 ? "yes" : "no";
  return {
    total,
    lobar,
    deep: number((f) => f.group === "deep"),
    infratentorial: number((f) => f.group === "infratentorial"),
    unplaced,
    definite: number((f) => f.certainty === "definite"),
    possible: number((f) => f.certainty === "possible"),
    burden_class: total < 2 ? String(total) : total < 5 ? "2–4" : total < 10 ? "5–9" : "≥ 10",
    strictly_lobar: strictly,
    cell: (row, column) => number((f) => f.row === row && `${f.certainty}_${f.side}` === column),
  };
}
