// The views of the page, and which of them the address names.
"use strict";

const RESTORE = {
  summary: () => {},
  tables: restoreTables,
  patients: restorePatients,
  reading: () => {},
  figures: () => {},
  manifest: () => {},
};

/** Show the place that the address names, as far as it exists. */
function restore() {
  for (const name of Object.keys(VIEWS)) byId(`view-${name}`).hidden = name !== view();
  for (const link of document.querySelectorAll("header nav a")) {
    const current = link.getAttribute("href") === `#${view()}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = view();
  document.title = `${VIEWS[view()]} – ${data.title}`;
  notice(named() && !Object.hasOwn(VIEWS, named()) ? [`There is no view “${named()}”.`] : []);
  RESTORE[view()]();
}

if (data.simulated) {
  byId("warning").hidden = false;
  byId("warning").textContent =
    "SIMULATED patients: these numbers say nothing about real patients or about which method is better.";
}
fillSummary();
showClaims();
fillTables();
showFigures();
showManifest();
fillScores();
fillMethods();
fillKey();
listenToPointers();
listenToKeys();
listenToControls();
listenToReading();
addEventListener("hashchange", restore);
restore();
