// The place of the chosen finding: what the program says can be confirmed or corrected.

function fillRegions(select) {
  const names = new Map(Object.values(facts.places).map((place) => [place.region, place]));
  for (const group of GROUPS) {
    const options = [...names.values()].filter((place) => place.group === group)
      .map((place) => made("option", { value: place.region }, place.words));
    select.append(made("optgroup", { label: group }, ...options));
  }
  select.append(made("option", { value: "" }, "unknown"));
}

function buildPlacing() {
  fillRegions(part("placing-region"));
  for (const id of ["placing-region", "placing-side"]) part(id).addEventListener("change", () => setPlace(chosen, givenPlace("placing")));
  part("placing-button").addEventListener("click", () => (work.places[chosen] ? setPlace(chosen, null) : confirmPlace()));
}

// The fields of a place, here and in the dialog that adds; one without a side takes that of its point.
function fillPlace(name, place, mm) {
  part(`${name}-region`).value = place.region ?? "";
  part(`${name}-side`).value = place.side === "none" ? (mm[0] < 0 ? "left" : "right") : place.side;
  part(`${name}-side`).disabled = place.region === null;
}

function givenPlace(name) {
  const region = part(`${name}-region`).value || null;
  return { region, side: region ? part(`${name}-side`).value : "none" };
}

function confirmPlace() {
  const finding = standings().find((one) => one.id === chosen);
  if (!finding) return say("Choose a finding first (N).");
  if (finding.region === null) return say("No place is known: choose a region below the list.");
  return setPlace(chosen, { region: finding.region, side: finding.side });
}

function showPlacing() {
  const finding = standings().find((one) => one.id === chosen);
  part("placing").hidden = !finding;
  if (!finding) return;
  fillPlace("placing", finding, finding.position_ras_mm);
  const own = work.places[chosen] !== undefined;
  part("placing-button").textContent = own ? "Reset" : "Confirm";
  part("placing-button").title = own ? "Take the program's place again" : "The place is right (L)";
  part("placing-button").hidden = typeof chosen !== "number";
}
