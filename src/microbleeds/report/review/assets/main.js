// Start: resume what this browser has kept, or ask who reads; then open the images.

function wireWork() {
  watchers.push(showFindings, showForm);
  part("undo").addEventListener("click", undo);
  part("add").addEventListener("click", startAdding);
  part("export").addEventListener("click", exportVerdicts);
  part("help").addEventListener("click", () => part("keys").showModal());
  part("panel").addEventListener("click", toggleForm);
  part("reveal").addEventListener("click", reveal);
  part("removed").addEventListener("change", showFindings);
  part("reader").addEventListener("input", (event) => { work.reader = event.target.value; keep(); });
  part("note").addEventListener("change", (event) => change(() => {
    const addition = work.added.find((one) => one.key === chosen);
    if (addition) addition.note = event.target.value.trim();
    else work.notes[chosen] = event.target.value.trim();
  }));
}

function ask() {
  const dialog = part("start");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("submit", (event) => begin(part("start-reader").value, event.submitter?.value === "unaided"));
  dialog.showModal();
  part("start-reader").focus();
}

async function openImages() {
  try {
    await viewer.open(part("canvas"));
    viewer.onMove = showPosition;
    part("wait").hidden = true;
    showTools();
    showFindings();
    showPosition();
    document.body.dataset.images = "shown";
  } catch (error) {
    viewer.niivue = null;
    viewer.failed = true;
    part("canvas").hidden = true;
    part("wait").textContent = `${error.message}. The list and its pictures still work; open the page in a current browser for the images.`;
    document.body.dataset.images = "none";
    each(".tools input, .tools button, #add", (control) => { control.disabled = true; });
    if (chosen !== null) choose(chosen);
  }
}

buildForm();
buildAdding();
buildPlacing();
wireWork();
wireTools();
wireKeys();
if (!restore()) ask();
changed();
openImages();
