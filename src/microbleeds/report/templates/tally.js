// Counting by the program's rules (`evaluate/patient.py`), for every page on which a reader changes what counts.

const burdenClass = (total) => (total < 2 ? String(total) : total < 5 ? "2-4" : total < 10 ? "5-9" : ">=10");
const burdenInWords = (name) => name.replace("-", "–").replace(">=", "≥ ");

// Whether a place is the word of a doubtful segmentation; one that a reader gave is not.
const doubted = (f, doubtful) => f.place_confidence === "uncertain" || (doubtful && f.place_confidence !== "reader");

const groupsUncertain = (counted, doubtful) => (counted.length ? counted.some((f) => doubted(f, doubtful)) : doubtful);

// By the Boston criteria v2.0: true, false, or null where it hangs on a finding whose place is not sure.
function strictlyLobar(counted, doubtful) {
  const spoils = (f) => f.group === "deep" || (f.group === "infratentorial" && f.region !== "cerebellum");
  const sure = (f) => f.group !== "none" && f.place_confidence !== "border" && !doubted(f, doubtful);
  if (doubtful && !counted.length) return null;
  if (counted.some((f) => spoils(f) && sure(f))) return false;
  return counted.every(sure) ? counted.some((f) => f.group === "lobar") : null;
}

const strictlyInWords = (answer) => ({ true: "yes", false: "no", null: "unknown" })[answer];
