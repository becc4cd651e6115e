// The patients view: the list, the scores of a patient, keys, and the address.
"use strict";

const PAGE_STEP = 5;
const CLOSER = 1.25;
const PATIENT_SCORES =
  ["dice/wt", "dice/tc", "dice/et", "volume_difference/et", "ssim/et", "psnr/brain"];
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

const runName = (run) => (run === MEAN ? "mean of the methods" : data.labels[run] ?? run);

/** Fill the menus of runs with those of the shown methods that have the score. */
function fillRuns() {
  const scored = Object.keys(measureOf(state.score)?.values ?? {});
  for (const name of ["of", "minus"]) {
    const first = name === "of" ? MEAN : "";
    if (!scored.includes(state[name])) state[name] = first;
    const runs = scored.filter((run) =>
      isShown(data.columns[data.columnOf[run]] ?? {}) || run === state[name]);
    byId(name).replaceChildren(
      make("option", { value: first }, first ? runName(first) : "nothing"),
      ...runs.map((run) => make("option", { value: run }, runName(run))));
    byId(name).value = state[name];
  }
}

/** The chosen score of each patient, or the difference of two runs. */
function chosenScores() {
  const measure = measureOf(state.score);
  const of = (run) => ((run === MEAN ? measure?.mean : measure?.values[run]) ?? []).map(value);
  if (!state.minus) return of(state.of);
  const other = of(state.minus);
  return of(state.of).map((score, patient) => {
    const known = score !== null && other[patient] !== null;
    const difference = known ? score - other[patient] : NaN; // of two infinite scores too
    return Number.isNaN(difference) ? null : difference;
  });
}

function withSign(number, measure) {
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "-∞";
  const text = written(number, measure);
  return Number(text) ? `${number > 0 ? "+" : ""}${text}` : text.replace("-", "");
}

/** Say by what the patients are sorted, and what may be claimed of two compared runs. */
function tellOrder() {
  const measure = measureOf(state.score);
  const { of, minus } = state;
  const better = measure && { higher: "higher is better", lower: "lower is better" }[measure.better];
  const rule = [measure && `Protocol ${measure.protocol}`, better].filter(Boolean).join(", ");
  byId("ordering").textContent = !measure ? "No scores." : minus
    ? `${rule}. ${runName(of)} minus ${runName(minus)}: where it is worst for the first comes first.`
    : `${rule}. The worst are first.`;
  const claim = measure && minus && claimOf(measure, of, minus);
  byId("claim").hidden = !minus;
  byId("claim").textContent = claim ? `${claim.sentence} ${CORRECTED}`
    : "Table X does not compare this pair, so nothing can be claimed of it.";
}

/** Say which patients have pictures, where not all do. */
function tellShown() {
  const [title, text] = byId("shown").children;
  byId("shown").hidden = !data.shown;
  const pictured = data.patients.filter(({ pictures }) => pictures).length;
  title.textContent = `Pictures of ${pictured} of ${data.patients.length} patients`;
  text.textContent = data.shown;
}

/** The list of patients by the chosen score, the worst first. */
function listPatients() {
  fillRuns();
  const measure = measureOf(state.score);
  const values = chosenScores();
  const columns = [
    { title: "patient", text: true },
    { title: "ET ml", text: false },
    { title: state.minus ? `${measure.title}, difference` : measure?.title ?? "score", text: false },
  ];
  const head = columns.map(({ title, text }) =>
    make("th", { scope: "col", class: text ? "words" : "number" }, title));
  const shownScore = state.minus ? withSign : written;
  const rows = data.patients.map(({ patient, et_ml: volume, pictures }, number) => {
    const name = make("button", { type: "button", title: pictures ? null : "without pictures" }, patient);
    const score = values[number] ?? null;
    const row = make("tr", { "data-patient": number, class: pictures ? "" : "plain" },
      make("th", { scope: "row", class: "words", "data-order": patient }, name),
      make("td", { class: "number", "data-order": volume }, volume.toFixed(1)),
      make("td", { class: "number", "data-order": score ?? "" },
        measure && score !== null ? shownScore(score, measure) : "–"));
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
  tellOrder();
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
  const measures = PATIENT_SCORES.map(ofMainProtocol).filter(Boolean);
  const head = ["method", ...measures.map(({ title, better }) => title + ARROWS[better])];
  const rows = data.columns.map((column, number) => make("tr",
    { class: column.role, "data-methods": String(number) },
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
  if (moved) state.lens = WHOLE;
  state.patient = patient;
  state.slice = Math.min(first + count - 1, Math.max(first, target));
  const slider = byId("slice");
  slider.min = first;
  slider.max = first + count - 1;
  byId("patient-name").textContent = name;
  document.title = `${name} – ${data.title}`;
  byId("viewer").classList.toggle("plain", !hasPictures(patient));
  byId("no-pictures").hidden = hasPictures(patient);
  mark();
  showPatientScores();
  showFiles();
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

/** Sort the patients by another score, or of another run. */
function choose(change) {
  Object.assign(state, change);
  byId("score").value = state.score;
  listPatients();
  rememberPatient();
  markMethods();
  rebuild();
}

function zoom(on) {
  state.zoomed = on;
  state.lens = WHOLE;
  byId("zoom").setAttribute("aria-pressed", on);
  rememberPatient();
  return rebuild();
}

/** Show the methods that were chosen. */
function rememberMethods() {
  if (!visited) return;
  state.enlarged = null;
  fillRuns();
  showFiles();
  rememberPatient();
  rebuild();
}

// ------------------------------------------------------------------- keys

function toggle(box) {
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

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
  "+": () => magnify(CLOSER),
  "-": () => magnify(1 / CLOSER),
  0: () => setLens(WHOLE),
  a: () => byId("all-methods").click(),
  e: () => toggle(rowBox("error")),
  i: () => toggle(rowBox("inputs")),
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
    if (view() !== "patients" || !visited || !free || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
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
  byId("all-methods").addEventListener("click", () => chooseMethods(methods.chosen ? null : everyMethod()));
  byId("overlays").addEventListener("input", repaint);
  byId("overlays").addEventListener("change", repaint);
  byId("rows").addEventListener("change", () => {
    rememberPatient();
    rebuild();
  });
  for (const name of ["score", "of", "minus"]) {
    byId(name).addEventListener("change", ({ target }) => choose({ [name]: target.value }));
  }
  addEventListener("resize", () => view() === "patients" && rebuild());
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
  const { patient, slice, score, of, minus } = state;
  const entries = Object.entries({ patient: data.patients[patient].patient, slice, score, of });
  if (minus) entries.push(["minus", minus]);
  if (state.zoomed) entries.push(["zoom", "tumour"]);
  const rows = rowBoxes();
  if (rows.some((box) => box.checked !== box.defaultChecked)) {
    entries.push(["rows", rows.filter((box) => box.checked).map((box) => box.name)]);
  }
  if (byId("size").selectedIndex) entries.push(["size", byId("size").value]);
  remember("patients", entries);
}

/** Show the rows and the size of an address; one that names a patient alone has the usual ones. */
function restoreRows(asked, known) {
  if (!["rows", "size", "patient"].some((name) => asked.has(name))) return;
  const rows = rowBoxes();
  const names = known("rows", "row", (text) =>
    text.split(",").every((name) => !name || rows.some((box) => box.name === name)));
  for (const box of rows) {
    box.checked = names === null ? box.defaultChecked : names.split(",").includes(box.name);
  }
  const sizes = [...byId("size").options].map((option) => option.value);
  byId("size").value = known("size", "size", (text) => sizes.includes(text)) ?? sizes[0];
}

/** Show the patient, slice and score that the address names; return what of it does not exist. */
function restorePatients() {
  byId("view-patients").hidden = !data.patients.length;
  if (!data.patients.length) return ["There are no test patients to show."];
  const asked = query(), problems = [];
  const known = (name, thing, holds) => {
    if (!asked.has(name) || holds(asked.get(name))) return asked.get(name);
    problems.push(`There is no ${thing} “${asked.get(name)}”.`);
    return null;
  };
  const score = known("score", "score", (key) => measureOf(key)) ?? state.score;
  state.score = (measureOf(score) ?? measureOf(data.main))?.key ?? "";
  const scored = measureOf(state.score)?.values ?? {};
  state.of = known("of", "scored run", (run) => run === MEAN || scored[run]) ?? state.of;
  const minus = known("minus", "scored run", (run) => scored[run]);
  state.minus = minus ?? (asked.has("score") ? "" : state.minus);
  byId("score").value = state.score;
  listPatients();
  restoreRows(asked, known);
  state.zoomed = asked.get("zoom") === "tumour";
  byId("zoom").setAttribute("aria-pressed", state.zoomed);
  state.enlarged = null;
  const name = known("patient", "patient", (text) =>
    data.patients.some(({ patient }) => patient === text));
  const place = data.patients.findIndex(({ patient }) => patient === name);
  // A table's cell names a score and no patient: its worst one with pictures.
  const pictured = listed().filter(hasPictures);
  const worst = [pictured.find((number) => data.patients[number].et_ml > 0), pictured[0], listed()[0]]
    .find((number) => number !== undefined);
  const patient = place >= 0 ? place : visited && !asked.has("score") ? state.patient : worst;
  const { first, count, start } = data.patients[patient];
  const slice = known("slice", "slice", (text) =>
    /^\d+$/.test(text) && Number(text) >= first && Number(text) < first + count);
  const kept = visited && patient === state.patient ? state.slice : start;
  visited = true;
  changes += 1;
  markMethods();
  go({ patient, slice: slice === null ? kept : Number(slice) });
  return problems;
}
