// The reader's work: verdicts and additions, undo, and its copy in the browser's storage (one per result).

const STORE = `microbleeds-review-${facts.findings_sha256}`;
const MATCH_MM = 5;
// Nearer than any voxel is wide: the same mark twice.
const SAME_MM = 0.1;
const MOST_UNDO = 200;

const fresh = () => ({ reader: "", started: null, unaided: null, exported: null, verdicts: {}, notes: {}, places: {}, added: [], next: 1 });
let work = fresh();
let stored = true;
const undone = [];
const watchers = [];

const byId = new Map(facts.findings.map((finding) => [finding.id, finding]));
const now = () => new Date().toISOString();
const hidden = () => work.started === null || (work.unaided !== null && work.unaided.ended === null);
const snapshot = () => JSON.stringify([work.verdicts, work.notes, work.places, work.added]);
// What was last exported, by whom; any change makes the present state another one, and undoing it the same again.
const state = () => JSON.stringify([work.reader, snapshot()]);
const isExported = () => work.exported === state();

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(work));
  } catch {
    if (stored) say("This browser keeps no data for pages on disk: export your verdicts before you close the page.");
    stored = false;
  }
}

function restore() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "null");
    if (found && found.started) work = { ...fresh(), ...found };
  } catch {
    stored = false;
  }
  return work.started !== null;
}

function changed() {
  keep();
  watchers.forEach((watch) => watch());
}

// Every change of verdicts, notes, places or additions begins here, so that all can be undone.
function remember() {
  undone.push(snapshot());
  if (undone.length > MOST_UNDO) undone.shift();
}

function change(action) {
  remember();
  action();
  changed();
}

function undo() {
  const last = undone.pop();
  if (last === undefined) return say("There is nothing to undo.");
  [work.verdicts, work.notes, work.places, work.added] = JSON.parse(last);
  changed();
  return say("Undone.");
}

// The next reader begins anew; nothing of this reading stays in the browser.
function forget() {
  work = fresh();
  undone.length = 0;
  changed();
}

function begin(reader, unaided) {
  work.reader = reader;
  work.started = now();
  work.unaided = unaided ? { started: work.started, ended: null } : null;
  changed();
}

function judge(id, verdict) {
  const finding = byId.get(id);
  if (!finding) return judgeAdded(id, verdict);
  change(() => {
    if (verdict === null) delete work.verdicts[id];
    else work.verdicts[id] = { verdict, at: now(), unaided: work.verdicts[id]?.unaided ?? false };
  });
  return say(`Finding ${id} ${verdict ?? "without verdict"}. ${counted().total} count.`);
}

const noteOn = (id) => work.added.find((one) => one.key === id)?.note ?? work.notes[id] ?? "";

// No count changes by a note. The list must stay as it is: a click on one of its buttons ends a note, and a button that
// is built anew between press and release is never clicked.
function annotate(id, text) {
  if (text === noteOn(id)) return;
  remember();
  const addition = work.added.find((one) => one.key === id);
  if (addition) addition.note = text;
  else work.notes[id] = text;
  keep();
}

// What the reader added is taken back by a rejection, and made possible or definite by the other two.
function judgeAdded(key, verdict) {
  const one = work.added.find((addition) => addition.key === key);
  if (!one || verdict === null) return;
  change(() => {
    if (verdict === "rejected") work.added = work.added.filter((addition) => addition !== one);
    else one.certainty = verdict === "accepted" ? "definite" : "possible";
  });
  say(verdict === "rejected" ? `${key} removed.` : `${key} is ${one.certainty}.`);
}

// Where the reader says that a finding lies; null takes the model's place again.
function setPlace(id, given) {
  const addition = work.added.find((one) => one.key === id);
  change(() => {
    if (addition) Object.assign(addition, given);
    else if (given === null) delete work.places[id];
    else work.places[id] = { ...given, at: now() };
  });
  say(given === null ? `Finding ${id} lies where the model placed it.` : `${id}: ${inWords(placeOf(given.region, given.side))}.`);
}

function add(addition) {
  const key = `M${work.next}`;
  change(() => {
    work.added.push({ ...addition, key, at: now(), unaided: hidden() });
    work.next += 1;
  });
  return key;
}

// After an unaided read: what the reader had marked and the model found too becomes that finding's verdict.
function reveal() {
  const pairs = [];
  for (const one of work.added)
    for (const finding of facts.findings.filter((f) => f.kept))
      pairs.push({ one, finding, mm: apart(one.position_ras_mm, finding.position_ras_mm) });
  pairs.sort((first, second) => first.mm - second.mm);
  const used = new Set();
  for (const { one, finding, mm } of pairs) {
    if (mm > MATCH_MM || used.has(one) || used.has(finding)) continue;
    used.add(one).add(finding);
    const verdict = one.certainty === "definite" ? "accepted" : "uncertain";
    work.verdicts[finding.id] = { verdict, at: one.at, unaided: true };
    if (one.note) work.notes[finding.id] = one.note;
    const { region, side, at } = one;
    if (region && (region !== finding.region || side !== finding.side)) work.places[finding.id] = { region, side, at };
  }
  work.added = work.added.filter((one) => !used.has(one));
  work.unaided.ended = now();
  undone.length = 0;
  changed();
  const both = used.size / 2;
  say(`${both} of your marks are findings of the model, ${work.added.length} are not.`);
}

// What `microbleeds finalize` reads.
function exported() {
  const verdicts = Object.entries(work.verdicts).map(([id, { verdict, at, unaided }]) => ({
    finding: Number(id), verdict, at, unaided, note: work.notes[id] ?? "",
  }));
  const added = work.added.map(({ position_ras_mm, region, side, certainty, diameter_mm, at, unaided, note }) => ({
    position_ras_mm, region, side, certainty, diameter_mm, at, unaided, note,
  }));
  const places = Object.entries(work.places).map(([id, { region, side, at }]) => ({ finding: Number(id), region, side, at }));
  return {
    schema_version: "1.1.0",
    program_version: facts.program_version,
    findings_sha256: facts.findings_sha256,
    reader: work.reader.trim(),
    started: work.started,
    exported: now(),
    unaided: work.unaided,
    verdicts,
    places,
    added,
  };
}
