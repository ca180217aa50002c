// Counts and form after the verdicts.

const COLUMNS = ["definite_right", "definite_left", "possible_right", "possible_left"];

// A finding as it stands now: does it count, and how surely.
function standing(finding) {
  const verdict = work.verdicts[finding.id]?.verdict ?? null;
  const here = { ...finding, ...placed(finding.id), verdict };
  if (verdict === null) return here;
  const certainty = verdict === "accepted" ? "definite" : verdict === "uncertain" ? "possible" : finding.certainty;
  return { ...here, certainty, kept: verdict !== "rejected" };
}

// The place that the reader gave to a finding of the model, if any.
function placed(id) {
  const given = work.places[id];
  if (!given) return {};
  const place = placeOf(given.region, given.side);
  return { ...place, words: inWords(place), place_confidence: place.region === null ? "unknown" : "reader" };
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

// Nothing can be said by place on a part of a head whose regions nobody knows; see `Record.places_unknown`.
const strictlyOf = (kept) =>
  facts.partial && kept.every((f) => f.group === "none") ? "not assessable" : strictlyInWords(strictlyLobar(kept, !facts.confident));

function counted() {
  const kept = standings().filter((finding) => finding.kept);
  const number = (test) => kept.filter(test).length;
  const total = kept.length;
  return {
    total,
    lobar: number((f) => f.group === "lobar"),
    deep: number((f) => f.group === "deep"),
    infratentorial: number((f) => f.group === "infratentorial"),
    unplaced: number((f) => f.group === "none"),
    definite: number((f) => f.certainty === "definite"),
    possible: number((f) => f.certainty === "possible"),
    burden_class: facts.partial ? "not assessable" : burdenInWords(burdenClass(total)),
    strictly_lobar: strictlyOf(kept),
    cell: (row, column) => number((f) => f.row === row && `${f.certainty}_${f.side}` === column),
  };
}
