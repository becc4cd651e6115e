// The views of the page, which of them the address names, and what all of them share.
"use strict";

const RESTORE = { tables: restoreTables, patients: restorePatients };
const REMEMBER = { tables: rememberTable, patients: rememberMethods };

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
  const unknown = named() && !Object.hasOwn(VIEWS, named());
  const problems = [
    ...(unknown ? [`There is no view “${named()}”.`] : []),
    ...restoreMethods(),
    ...(RESTORE[view()]?.() ?? []),
  ];
  if (!RESTORE[view()] && methods.chosen) remember(view(), []);
  byId("notice").textContent = problems.join(" ");
  byId("notice").hidden = !problems.length;
}

/** Write the chosen methods into the address, after the reader changed them. */
function showPlace() {
  (REMEMBER[view()] ?? (() => remember(view(), [])))();
}

/** Menus close on Esc, which then does nothing else, and on a click outside. */
function listenToMenus() {
  const open = () => [...document.querySelectorAll("details.menu[open]")];
  addEventListener("pointerdown", ({ target }) => {
    for (const menu of open()) menu.open = menu.contains(target);
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !open().length) return;
    event.stopImmediatePropagation();
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }, { capture: true });
}

function listenToHeader() {
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names views
    byId("main").focus();
  });
  byId("copy-link").addEventListener("click", ({ target }) => {
    copyText(target, location.href, target).then(() =>
      setTimeout(() => (target.textContent = "Copy link"), 1500));
  });
}

if (data.simulated) {
  byId("warning").hidden = false;
  byId("warning").textContent =
    "SIMULATED patients: these numbers say nothing about real patients or about which method is better.";
}
fillMethods();
fillSummary();
showClaims();
fillTables();
showFigures();
showManifest();
fillScores();
tellShown();
fillKey();
listenToMenus();
listenToHeader();
listenToPointers();
listenToKeys();
listenToControls();
listenToReading();
listenToFiles();
addEventListener("hashchange", restore);
restore();
