// The patients view: the list, the scores of a patient, keys, and the address.
"use strict";

const PAGE_STEP = 5;
const PATIENT_SCORES = ["dice/wt", "dice/tc", "dice/et", "ssim/et", "psnr/brain"];
const MEAN = "mean";
let patients; // the DataTable of the list
let visited = false;

// --------------------------------------------------------------- the list

function fillScores() {
  const groups = new Map();
  for (const { key, protocol, task, title, unit } of data.measures) {
    const name = `${task}, protocol ${protocol}`;
    if (!groups.has(name)) groups.set(name, make("optgroup", { label: name }));
    groups.get(name).append(make("option", { value: key }, unit ? `${title} (${unit})` : title));
  }
  byId("score").replaceChildren(...groups.values());
}

function fillRuns() {
  const measure = measureOf(state.score);
  const options = Object.keys(measure?.values ?? {}).map((run) =>
    make("option", { value: run }, data.labels[run] ?? run));
  byId("of").replaceChildren(make("option", { value: MEAN }, "mean of the methods"), ...options);
  if (!measure?.values[state.of]) state.of = MEAN;
  byId("of").value = state.of;
}

/** The chosen score of each patient. */
function chosenScores() {
  const measure = measureOf(state.score);
  return (state.of === MEAN ? measure?.mean : measure?.values[state.of]) ?? [];
}

/** The list of patients by the chosen score, the worst first. */
function listPatients() {
  fillRuns();
  const measure = measureOf(state.score);
  const values = chosenScores();
  const columns = [
    { title: "patient", text: true },
    { title: "ET ml", text: false },
    { title: measure?.title ?? "score", text: false },
  ];
  const head = columns.map(({ title, text }) =>
    make("th", { scope: "col", class: text ? "words" : "number" }, title));
  const rows = data.patients.map(({ patient, et_ml: volume }, number) => {
    const name = make("button", { type: "button" }, patient);
    const score = value(values[number] ?? null);
    const row = make("tr", { "data-patient": number },
      make("th", { scope: "row", class: "words", "data-order": patient }, name),
      make("td", { class: "number", "data-order": volume }, volume.toFixed(1)),
      make("td", { class: "number", "data-order": score ?? "" },
        measure ? written(score, measure) : "–"));
    row.addEventListener("click", () => {
      go({ patient: number });
      // On a narrow screen the list is below the pictures.
      byId("stage").focus({ preventScroll: !NARROW.matches });
    });
    return row;
  });
  const table = make("table", { class: "compact" }, make("caption", {}, "Test patients"),
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  byId("list").replaceChildren(table);
  const worst = measure?.better === "lower" ? "desc" : "asc";
  patients = sortable(table, columns, { order: [[2, worst]],
    language: { search: "Filter:", zeroRecords: "No patient matches." } });
  byId("ordering").textContent = measure
    ? `Protocol ${measure.protocol}, ${measure.better} is better. The worst are first.` : "No scores.";
  mark();
}

/** The numbers of the listed patients, in their order. */
const listed = () => patients.rows({ order: "applied", search: "applied" }).nodes().toArray()
  .map((row) => Number(row.dataset.patient));

function mark() {
  for (const row of byId("list").querySelectorAll("tbody tr[data-patient]")) {
    const chosen = Number(row.dataset.patient) === state.patient;
    row.classList.toggle("chosen", chosen);
    row.setAttribute("aria-current", chosen);
  }
}

// ------------------------------------------------- the scores of a patient

/** Fill the table below the pictures: each column of the viewer by the main scores. */
function showPatientScores() {
  const { patient, grade, et_ml: enhancing, tumour_ml: tumour } = data.patients[state.patient];
  const measures = PATIENT_SCORES.map(mainMeasure).filter(Boolean);
  const head = ["method", ...measures.map(({ title, better }) => title + ARROWS[better])];
  const rows = data.columns.map((column) => make("tr", { class: column.role },
    make("th", { scope: "row", class: "words" }, column.label),
    ...measures.map((measure) => make("td", { class: "number" },
      written(scoresOf(column, measure)?.[state.patient], measure)))));
  const truth = `${patient}${grade ? `, ${grade}` : ""}: ${tumour.toFixed(1)} ml tumour in the truth, `
    + `${enhancing.toFixed(1)} ml of it enhancing (ET).`;
  byId("patient-scores").replaceChildren(make("table", { class: "dataTable compact" },
    make("caption", {}, truth),
    make("thead", {}, make("tr", {}, ...head.map((title, place) =>
      make("th", { scope: "col", class: place ? "number" : "words" }, title)))),
    make("tbody", {}, ...rows)));
}

// ----------------------------------------------------------------- moving

/** Show another patient or slice; without a slice, the one with the most enhancing tumour. */
function go({ patient = state.patient, slice }) {
  const moved = patient !== state.patient;
  const { first, count, start, patient: name } = data.patients[patient];
  const target = slice ?? (moved ? start : state.slice);
  state.patient = patient;
  state.slice = Math.min(first + count - 1, Math.max(first, target));
  const slider = byId("slice");
  slider.min = first;
  slider.max = first + count - 1;
  byId("patient-name").textContent = name;
  document.title = `${name} – ${data.title}`;
  mark();
  showPatientScores();
  rememberPatient();
  return draw();
}

function changeSlice(step) {
  return go({ slice: state.slice + step });
}

function changePatient(step) {
  const order = listed();
  const next = order[order.indexOf(state.patient) + step];
  if (next !== undefined) go({ patient: next });
}

function choose(score, of) {
  Object.assign(state, { score, of });
  byId("score").value = score;
  listPatients();
  rememberPatient();
  markMethods();
  rebuild();
}

function zoom(on) {
  state.zoomed = on;
  byId("zoom").setAttribute("aria-pressed", on);
  rememberPatient();
  return rebuild();
}

// ---------------------------------------------------------------- methods

function fillMethods() {
  byId("methods").append(...data.columns.map(({ label }) => {
    const box = make("input", { type: "checkbox", value: label });
    return make("label", {}, box, ` ${label}`);
  }));
}

const methodBoxes = () => [...byId("methods").querySelectorAll("input")];
const everyMethod = () => data.columns.map(({ label }) => label);

/** Show these methods by label, or a few by the score if it is null. */
function showMethods(methods) {
  state.methods = methods;
  state.enlarged = null;
  markMethods();
  rememberPatient();
  return rebuild();
}

function markMethods() {
  const shown = shownColumns().map(({ label }) => label);
  for (const box of methodBoxes()) box.checked = shown.includes(box.value);
  byId("all-methods").textContent =
    state.methods ? "Fewer methods" : `All ${data.columns.length} methods`;
}

// ------------------------------------------------------------------- keys

function toggle(box) {
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

const rowBox = (name) => byId("rows").querySelector(`[name=${name}]`);

function nextMode() {
  const select = byId("mode");
  select.selectedIndex = (select.selectedIndex + 1) % select.length;
  repaint();
}

const KEYS = {
  ArrowUp: () => changeSlice(1),
  ArrowDown: () => changeSlice(-1),
  PageUp: () => changeSlice(PAGE_STEP),
  PageDown: () => changeSlice(-PAGE_STEP),
  Home: () => go({ slice: data.patients[state.patient].start }),
  ArrowLeft: () => changePatient(-1),
  ArrowRight: () => changePatient(1),
  Escape: () => state.enlarged && enlarge(null),
  " ": () => blink(true),
  a: () => byId("all-methods").click(),
  e: () => toggle(rowBox("error")),
  i: () => toggle(byId("inputs")),
  m: () => toggle(rowBox("masks")),
  p: nextMode,
  s: () => toggle(byId("signed")),
  t: () => toggle(byId("outlines")),
  w: () => setWindow(FULL_WINDOW),
  z: () => zoom(!state.zoomed),
};

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    // Elsewhere a key belongs to the control that has the focus.
    const free = [document.body, byId("stage")].includes(event.target) || event.key === "Escape";
    if (view() !== "patients" || !scene || !free || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    byId("options").open &&= event.key !== "Escape";
    KEYS[event.key]();
  });
  document.addEventListener("keyup", (event) => event.key === " " && blink(false));
  addEventListener("blur", () => blink(false));
}

function listenToControls() {
  byId("slice").addEventListener("input", (event) => go({ slice: Number(event.target.value) }));
  byId("fullest").addEventListener("click", KEYS.Home);
  byId("zoom").addEventListener("click", KEYS.z);
  byId("back").addEventListener("click", KEYS.Escape);
  byId("all-methods").addEventListener("click", () => showMethods(state.methods ? null : everyMethod()));
  byId("overlays").addEventListener("input", repaint);
  byId("overlays").addEventListener("change", repaint);
  byId("rows").addEventListener("change", rebuild);
  byId("size").addEventListener("change", rebuild);
  byId("methods").addEventListener("change", () =>
    showMethods(methodBoxes().filter((box) => box.checked).map((box) => box.value)));
  byId("score").addEventListener("change", (event) => choose(event.target.value, state.of));
  byId("of").addEventListener("change", (event) => choose(state.score, event.target.value));
  addEventListener("resize", () => view() === "patients" && rebuild());
  addEventListener("pointerdown", (event) => {
    if (!byId("options").contains(event.target)) byId("options").open = false;
  });
}

// -------------------------------------------------------------- the legend

function fillKey() {
  const swatch = (color, filled) =>
    make("i", { style: filled ? `background:${color}` : `border:2px solid ${color}` });
  const scale = (colors) => make("i", { class: "scale",
    style: `background:linear-gradient(to right,${colors.filter((_, at) => at % 15 === 0)})` });
  const { limit, colors, signed } = data.error;
  byId("key").append(
    make("span", { class: "classes" }, ...Object.values(data.classes).flatMap(([name, color]) =>
      [swatch(color, true), name])),
    make("span", { class: "outlines" }, ...Object.entries(data.contours).flatMap(([region, { color }]) =>
      [swatch(color, false), `true ${region.toUpperCase()}`])),
    make("span", { class: "agreement" }, ...Object.entries(data.agreement).flatMap(([name, color]) =>
      [swatch(color, true), name])),
    make("span", { class: "absolute" }, "error ", scale(colors),
      `0 to ${limit} of the grey window and more`),
    make("span", { class: "signed" }, "error ", scale(signed),
      `too dark to too bright by ${limit} of the grey window and more`));
}

// ------------------------------------------------------------- the address

function rememberPatient() {
  const { patient, slice, score, of } = state;
  const entries = Object.entries({ patient: data.patients[patient].patient, slice, score, of });
  if (state.zoomed) entries.push(["zoom", "tumour"]);
  for (const label of state.methods ?? []) entries.push(["method", label]);
  remember("patients", entries);
}

/** Show the patient, slice, score and methods that the address names, as far as they exist. */
function restorePatients() {
  byId("view-patients").hidden = !data.patients.length;
  if (!data.patients.length) return notice(["There are no test patients to show."]);
  const asked = query(), problems = [];
  const known = (name, thing, holds) => {
    if (!asked.has(name) || holds(asked.get(name))) return asked.get(name);
    problems.push(`There is no ${thing} “${asked.get(name)}”.`);
    return null;
  };
  const score = known("score", "score", (key) => measureOf(key)) ?? state.score;
  state.score = (measureOf(score) ?? mainMeasure("dice/et") ?? data.measures[0])?.key ?? "";
  const scored = measureOf(state.score)?.values ?? {};
  state.of = known("of", "scored run", (run) => run === MEAN || scored[run]) ?? state.of;
  byId("score").value = state.score;
  listPatients();
  const labels = asked.getAll("method"), unknown = labels.filter((one) => !everyMethod().includes(one));
  problems.push(...unknown.map((label) => `There is no method “${label}”.`));
  const methods = labels.filter((label) => !unknown.includes(label));
  if (asked.has("patient") || labels.length) state.methods = methods.length ? methods : null;
  state.zoomed = asked.get("zoom") === "tumour";
  byId("zoom").setAttribute("aria-pressed", state.zoomed);
  state.enlarged = null;
  const name = known("patient", "patient", (text) =>
    data.patients.some(({ patient }) => patient === text));
  const place = data.patients.findIndex(({ patient }) => patient === name);
  // A table's cell names a score and no patient: its worst one.
  const worst = listed().find((number) => data.patients[number].et_ml > 0) ?? listed()[0];
  const patient = place >= 0 ? place : visited && !asked.has("score") ? state.patient : worst;
  const { first, count, start } = data.patients[patient];
  const slice = known("slice", "slice", (text) =>
    /^\d+$/.test(text) && Number(text) >= first && Number(text) < first + count);
  const kept = visited && patient === state.patient ? state.slice : start;
  visited = true;
  changes += 1;
  markMethods();
  notice(problems);
  go({ patient, slice: slice === null ? kept : Number(slice) });
}
