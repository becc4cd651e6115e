// The one filter of methods. Every view obeys it, and the address has it as `method=`.
"use strict";

const EVERY = "all"; // in the address, for every method by name
const methods = { chosen: null }; // labels; null: all rows of tables, and a few in the viewer
// Rows of hidden methods are hidden by rules of their own, wherever and whenever they are built.
const hiding = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, hiding];

const everyMethod = () => data.columns.map(({ label }) => label);
const methodBoxes = () => [...byId("methods").querySelectorAll("input")];
const isShown = ({ label }) => !methods.chosen || methods.chosen.includes(label);

/** The numbers of the methods that runs belong to, as an attribute of what shows them. */
const methodsOf = (...runs) =>
  [...new Set(runs.map((run) => data.columnOf[run]))].filter((number) => number !== undefined).join(" ");
const labelled = (label) => data.columns.findIndex((column) => column.label === label);

/** The same of a table's row, by its label where it is of several runs. */
function methodsOfRow({ run, label }) {
  return run ? methodsOf(run) : labelled(label) < 0 ? "" : String(labelled(label));
}

function methodEntries() {
  const { chosen } = methods;
  if (!chosen) return [];
  return chosen.length === data.columns.length ? [["method", EVERY]]
    : chosen.map((label) => ["method", label]);
}

/** Take the methods from the address, which may name none; return what is wrong with it. */
function restoreMethods() {
  const asked = query().getAll("method");
  const known = asked.includes(EVERY) ? everyMethod() : everyMethod().filter((label) => asked.includes(label));
  if (known.length) methods.chosen = known;
  else if (asked.length) methods.chosen = null;
  hideMethods();
  return asked.filter((label) => label !== EVERY && labelled(label) < 0)
    .map((label) => `There is no method “${label}”.`);
}

function hideMethods() {
  const numbers = [...data.columns.keys()].filter((number) => !isShown(data.columns[number]));
  const rules = numbers.map((number) => `[data-methods~="${number}"]`);
  hiding.replaceSync(rules.length ? `${rules} { display: none !important; }` : "");
  markMethods();
}

/** Mark the methods that the view shows: in the viewer a few, as long as none are chosen. */
function markMethods() {
  const shown = view() === "patients" ? shownColumns() : data.columns.filter(isShown);
  methodBoxes().forEach((box, number) => (box.checked = shown.includes(data.columns[number])));
  const count = methods.chosen?.length ?? data.columns.length;
  byId("methods-name").textContent = count === data.columns.length
    ? "Methods ▾" : `Methods ${count}/${data.columns.length} ▾`;
  byId("all-methods").textContent = methods.chosen ? "Fewer methods" : `All ${count} methods`;
}

/** Show these methods by label in all views; null: all in tables, a few in the viewer. */
function chooseMethods(labels) {
  methods.chosen = labels;
  hideMethods();
  showPlace();
}

function fillMethods() {
  byId("methods").append(...data.columns.map(({ label }) =>
    make("label", {}, make("input", { type: "checkbox", value: label }), ` ${label}`)));
  byId("methods").addEventListener("change", () => {
    const labels = methodBoxes().filter((box) => box.checked).map((box) => box.value);
    chooseMethods(labels.length ? labels : null);
  });
  byId("methods-reset").addEventListener("click", () => chooseMethods(null));
}
