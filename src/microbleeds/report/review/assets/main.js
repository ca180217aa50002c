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
  part("note").addEventListener("change", (event) => {
    annotate(chosen, event.target.value.trim());
    showForm();
  });
}

function ask() {
  part("start-reader").value = "";
  part("start").showModal();
  part("start-reader").focus();
}

// Who opens a page that has been read may be the next reader.
function askWhoGoesOn() {
  const [day, time] = work.started.split("T");
  const fate = isExported() ? "exported" : "not exported: what is not exported is lost when you begin anew";
  part("earlier").textContent = `This browser holds a reading by ${work.reader.trim() || "somebody unnamed"} of ${day}, ${time.slice(0, 5)} UTC, ${fate}.`;
  part("resume").showModal();
}

function wireStart() {
  part("start").addEventListener("cancel", (event) => event.preventDefault());
  // A browser lets only the first Escape be held back.
  part("start").addEventListener("close", () => { if (work.started === null) ask(); });
  part("start").addEventListener("submit", (event) => begin(part("start-reader").value, event.submitter?.value === "unaided"));
  part("resume").addEventListener("submit", (event) => {
    if (event.submitter?.value !== "anew") return;
    forget();
    ask();
  });
  part("anew").addEventListener("click", askWhoGoesOn);
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
wireStart();
// On a small screen the images need the room; the button and F bring the form.
if (window.innerWidth < 900) toggleForm();
const earlier = restore();
changed();
if (!earlier) ask();
else if (isExported()) askWhoGoesOn();
openImages();
