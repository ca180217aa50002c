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
  for (const id of ["placing-region", "placing-side"]) part(id).addEventListener("change", () => setPlace(chosen, givenPlace()));
  part("placing-button").addEventListener("click", () => (work.places[chosen] ? setPlace(chosen, null) : confirmPlace()));
}

function givenPlace() {
  const region = part("placing-region").value || null;
  if (region === null) return { region, side: "none" };
  return { region, side: part("placing-side").value };
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
  part("placing-region").value = finding.region ?? "";
  part("placing-side").value = finding.side === "none" ? (finding.position_ras_mm[0] < 0 ? "left" : "right") : finding.side;
  part("placing-side").disabled = finding.region === null;
  const own = work.places[chosen] !== undefined;
  part("placing-button").textContent = own ? "Reset" : "Confirm";
  part("placing-button").title = own ? "Take the program's place again" : "The place is right (L)";
  part("placing-button").hidden = typeof chosen !== "number";
}
