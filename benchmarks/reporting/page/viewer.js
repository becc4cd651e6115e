// The pictures of one slice side by side: the truth, the inputs, and each shown method.
"use strict";

const AHEAD = 6; // slices on either side that are decoded in advance
const HEADING = 4; // of a column, in em
const GAP = 4;
const SMALLEST = 150; // pixels of a picture's width; what does not fit is below
const FULL_WINDOW = { width: 255, level: 127.5 };
const WHOLE = { scale: 1, centre: [0.5, 0.5] };
const CLOSEST = 16;
const ROWS = ["t1ce", "error", "masks"];
const NARROW = matchMedia("(max-width: 900px)");

const state = {
  patient: 0,
  slice: 0,
  score: "",
  of: "mean",
  minus: "", // the run whose score is subtracted
  turn: 0, // which of them a narrow screen shows
  zoomed: false,
  enlarged: null, // the name of a picture
  blinking: false,
  window: FULL_WINDOW,
  lens: WHOLE, // the part of a picture that is shown: its middle, as shares, and how much larger
};
let tiles = []; // { canvas, readout, picture, truth }
let built = ""; // what `tiles` were built for
let scene = null; // of the slice that is shown
let aimed = null; // where the pointer is, as shares of a picture's width and height
let drawing = null;
let changes = 0; // of the controls that decide on tiles

const checked = (id) => byId(id).checked;
const rowBoxes = () => [...byId("rows").querySelectorAll("input")];
const rowBox = (name) => byId("rows").querySelector(`[name=${name}]`);
const contentRectangle = (content) =>
  state.zoomed ? content.tumour : [0, 0, ...content.size];

/** The part of a slice that the pictures show, in pixels: left, top, right, bottom. */
function shownRectangle(content) {
  const [left, top, right, bottom] = contentRectangle(content);
  const { scale, centre: [along, down] } = state.lens;
  const x = (side) => left + (along + side / (2 * scale)) * (right - left);
  const y = (side) => top + (down + side / (2 * scale)) * (bottom - top);
  return [x(-1), y(-1), x(1), y(1)];
}

// ------------------------------------------------------------- pictures

// A picture paints a slice on a canvas, and says what it holds at a pixel. Grey 0 to 255 is -1 to 1.
const intensity = (grey) => (grey / 127.5 - 1).toFixed(2);
const className = (number) => data.classes[number]?.[0] ?? "no tumour";

const imagePicture = (name) => ({
  paint(canvas) {
    cover(canvas, scene.image(name), scene.rectangle, true);
  },
  read: (at) => intensity(scene.grey(name)[at]),
});

const outlinedTruth = {
  paint(canvas) {
    cover(canvas, scene.image("truth"), scene.rectangle, true);
    stroke(canvas, scene.outlines(), scene.rectangle);
  },
  read: (at) => intensity(scene.grey("truth")[at]),
};

const errorPicture = (name) => ({
  paint(canvas) {
    const synthesised = scene.grey(name), truth = scene.grey("truth");
    const signed = checked("signed");
    const error = Int16Array.from(synthesised, (grey, at) =>
      signed ? grey - truth[at] + 255 : Math.abs(grey - truth[at]));
    const image = painted(error, signed ? SIGNED : ERROR, scene.content.size);
    cover(canvas, image, scene.rectangle, true);
    if (checked("error-outlines")) stroke(canvas, scene.outlines(), scene.rectangle);
  },
  read: (at) => ((scene.grey(name)[at] - scene.grey("truth")[at]) / 127.5).toFixed(2),
});

/** The masks of a run, those of the truth if it is null, over the image that is chosen. */
const maskPicture = (run, synthesis) => ({
  paint(canvas) {
    const under = byId("under").value;
    cover(canvas, scene.image(under === "synthesis" ? synthesis : under), scene.rectangle, true);
    const [mode, region] = byId("mode").value.split(" ");
    if (mode === "agreement" && run !== null) paintAgreement(canvas, run, data.regions[region]);
    else if (mode !== "none") paintClasses(canvas, scene.classes(run));
    if (mode !== "agreement" && checked("outlines")) {
      stroke(canvas, scene.outlines(), scene.rectangle);
    }
  },
  read: (at) => className(scene.classes(run)[at]),
});

const maskAlpha = () => Math.round(255 * Number(byId("opacity").value));

function paintClasses(canvas, classes) {
  const colors = new Uint32Array(4);
  for (const [number, [, color]] of Object.entries(data.classes)) {
    colors[number] = hexColor(color, maskAlpha());
  }
  cover(canvas, painted(classes, colors, scene.content.size), scene.rectangle, false);
}

/** Paint where a run and the truth agree on a region, by the numbers of its classes. */
function paintAgreement(canvas, run, members) {
  const { both, missed, invented } = data.agreement;
  const colors = Uint32Array.of(0, ...[missed, invented, both].map((hex) => hexColor(hex, maskAlpha())));
  const truth = scene.classes(null);
  const codes = scene.classes(run).map((number, at) =>
    2 * members.includes(number) + members.includes(truth[at]));
  cover(canvas, painted(codes, colors, scene.content.size), scene.rectangle, false);
}

/** What is computed of a slice, each part once. */
function sceneOf(content, place, sheet) {
  const kept = new Map();
  const once = (key, compute) => {
    if (!kept.has(key)) kept.set(key, compute());
    return kept.get(key);
  };
  return {
    content,
    rectangle: shownRectangle(content),
    grey: (name) => once(`grey ${name}`, () => tile(content, sheet, name)),
    image: (name) => once(`image ${name}`, () =>
      painted(scene.grey(name), scene.colors(), content.size)),
    colors: () => once("colors", () => windowed(state.window)),
    classes: (run) => once(`classes ${run}`, () => classesOf(content, place, run)),
    outlines: () => once("outlines", () => Object.values(data.contours).map(({ color, classes }) =>
      [color, outline(scene.classes(null), content.size, classes)])),
    /** Forget what depends on the window. */
    rewindow: () => [...kept.keys()].filter((key) => /^(image|colors)/.test(key))
      .forEach((key) => kept.delete(key)),
  };
}

// --------------------------------------------------------------- columns

/** Whether a method's column shows the runs of a score, and its score of the shown patient. */
function scoresOf({ t1ce, seg }, measure) {
  const run = measure.task === "synthesis" ? t1ce : seg;
  return run === null ? undefined : measure.values[run];
}

/** The chosen columns, else a floor, the two best syntheses by the score, and the compared runs'. */
function shownColumns() {
  if (methods.chosen) return data.columns.filter(isShown);
  const measure = measureOf(state.score);
  const mean = (column) => meanOf((measure && scoresOf(column, measure)) ?? []);
  const best = data.columns
    .filter((column) => column.role === "method" && column.t1ce && mean(column) !== null)
    .sort((a, b) => worseFirst(measure, mean(b), mean(a))).slice(0, 2);
  const few = [data.columns.find(({ role }) => role === "floor"), ...best];
  const compared = [state.of, state.minus].map((run) => data.columnOf[run]);
  return data.columns.filter((column, number) => few.includes(column) || compared.includes(number));
}

function methodLane(column, rows) {
  const measure = measureOf(state.score);
  const score = (measure && scoresOf(column, measure)?.[state.patient]) ?? null;
  const synthesis = column.t1ce === null ? null : `t1ce:${column.t1ce}`;
  const pictures = {
    t1ce: synthesis && { picture: imagePicture(synthesis), truth: TRUTH.t1ce },
    error: synthesis && { picture: errorPicture(synthesis), truth: TRUTH.t1ce },
    masks: column.seg !== null
      && { picture: maskPicture(column.seg, synthesis ?? "flair"), truth: TRUTH.masks },
  };
  const nothing = { t1ce: "no T1ce", error: "no error", masks: "no masks" };
  const masks = column.seg_label && column.seg !== column.t1ce ? `Masks: ${column.seg_label}. ` : "";
  return {
    heading: column.label,
    score: measure ? written(score, measure) : "",
    title: masks + column.notes.join(". "),
    role: column.role,
    failures: column.failures,
    pictures: rows.map((row) => (pictures[row]
      ? { name: `${column.label}: ${row}`, ...pictures[row] } : { none: nothing[row] })),
  };
}

const TRUTH = {
  t1ce: { name: "true T1ce", picture: imagePicture("truth") },
  error: { name: "true outlines", picture: outlinedTruth },
  masks: { name: "true classes", picture: maskPicture(null, "truth") },
};
const INPUTS = [["T1", "t1"], ["T2", "t2"], ["FLAIR", "flair"]];

function truthLane(rows) {
  const score = `Above each method: ${measureOf(state.score)?.title ?? "score"}.`;
  const pictures = rows.map((row) => ({ ...TRUTH[row], truth: TRUTH[row], caption: TRUTH[row].name }));
  return { heading: "Truth", score, title: "", failures: [], pictures };
}

/** The inputs, as many below each other as there are rows. */
function inputLanes(rows) {
  const pictures = INPUTS.map(([name, image]) =>
    ({ name, caption: name, picture: imagePicture(image), truth: TRUTH.t1ce }));
  return Array.from({ length: Math.ceil(pictures.length / rows.length) }, (_, lane) => ({
    heading: lane ? "" : "Inputs", score: "", title: "", failures: [],
    pictures: pictures.slice(lane * rows.length, (lane + 1) * rows.length),
  }));
}

/** The columns of the stage: the references on the left, and the methods. */
function lanes() {
  const rows = ROWS.filter((row) => rowBox(row).checked);
  const columns = shownColumns();
  state.turn = Math.max(0, Math.min(state.turn, columns.length - 1));
  const methods = (NARROW.matches && columns.length ? [columns[state.turn]] : columns)
    .map((column) => methodLane(column, rows));
  if (NARROW.matches && columns.length > 1) {
    methods[0].score += ` (${state.turn + 1} of ${columns.length}, swipe)`;
  }
  const inputs = rowBox("inputs").checked && rows.length ? inputLanes(rows) : [];
  const references = [truthLane(rows), ...inputs];
  for (const lane of [...references, ...methods]) {
    const picked = lane.pictures.find(({ name }) => name && name === state.enlarged);
    if (!picked) continue;
    const isTruth = lane === references[0];
    const truth = { ...picked.truth, truth: picked.truth, caption: picked.truth.name };
    return {
      references: [{ ...references[0], pictures: [isTruth ? picked : truth] }],
      methods: isTruth ? [] : [{ ...lane, heading: lane.heading || "Inputs", pictures: [picked] }],
    };
  }
  state.enlarged = null;
  return { references, methods };
}

function buildTiles(content) {
  const { references, methods } = lanes();
  const [left, top, right, bottom] = contentRectangle(content);
  const aspect = ((right - left) * content.pixel[0]) / ((bottom - top) * content.pixel[1]);
  const rows = references[0].pictures.length;
  const { cell, across } = measureRoom(aspect, rows, references.length, methods.length);
  tiles = [];
  const sized = (node) => {
    node.style.width = `${cell[0]}px`;
    node.style.height = `${cell[1]}px`;
    return node;
  };
  const figureOf = ({ name, caption, picture, truth, none }) => {
    if (none) return sized(make("div", { class: "none" }, none));
    const canvas = sized(make("canvas", { role: "img", "aria-label": name }));
    canvas.width = Math.round(cell[0] * devicePixelRatio);
    canvas.height = Math.round(cell[1] * devicePixelRatio);
    const readout = make("output");
    tiles.push({ canvas, readout, picture, truth: truth.picture, name });
    return make("figure", {}, canvas, readout, caption ? make("figcaption", {}, caption) : "");
  };
  const laneNode = ({ heading, score, title, role = "", failures, pictures }) =>
    make("div", { class: failures.length ? "column failed" : "column", "data-role": role },
      make("div", { class: "heading", title }, make("h3", {}, heading),
        make("p", { class: "score" }, score)),
      ...pictures.map(figureOf), ...failures.map((text) => make("p", { class: "reason" }, text)));
  const widths = (count) => `repeat(${count}, ${cell[0]}px)`;
  byId("references").style.gridTemplateColumns = widths(references.length);
  byId("references").replaceChildren(...references.map(laneNode));
  byId("columns").style.gridTemplateColumns = widths(across);
  byId("columns").replaceChildren(...methods.map(laneNode));
  byId("back").hidden = !state.enlarged;
}

/** The size of a picture in CSS pixels, and how many methods are side by side. */
function measureRoom(aspect, rows, references, methods) {
  const stage = byId("stage");
  const heading = HEADING * parseFloat(getComputedStyle(stage).fontSize);
  const above = stage.getBoundingClientRect().top + scrollY;
  const free = innerHeight - above - byId("key").offsetHeight - 4 * GAP;
  // On a narrow screen the list of patients is above; then the pictures get most of a screen.
  const height = Math.max(free, 0.7 * innerHeight);
  const width = stage.clientWidth - 4 * GAP;
  const chosen = byId("size").value;
  const wide = width / (references + methods) - GAP;
  const high = ((height - heading) / Math.max(1, rows) - GAP) * aspect;
  const smallest = NARROW.matches ? 60 : SMALLEST;
  const fit = Math.floor(Math.max(smallest, Math.min(wide, high)));
  const picture = chosen === "fit" ? fit : Number(chosen);
  const across = Math.floor((width + GAP) / (picture + GAP)) - references;
  return {
    cell: [picture, Math.round(picture / aspect)],
    across: Math.max(1, Math.min(methods, across)),
  };
}

// --------------------------------------------------------------- drawing

const hasPictures = (patient) => data.patients[patient].pictures;

/** Draw the current `state`; calls during a drawing lead to one more, of the latest state. */
function draw() {
  drawing ??= drawLatest().catch(complain).finally(() => (drawing = null));
  return drawing;
}

function complain(error) {
  byId("slice-name").textContent = error.message;
}

// Everything that a drawing depends on.
const wanted = () => `${state.patient}/${state.slice}/${changes}`;

async function drawLatest() {
  for (let done = ""; done !== wanted(); ) {
    done = wanted();
    const { patient, slice } = state;
    if (!hasPictures(patient)) {
      scene = null;
      byId("stage").dataset.shown = `${patient}/`;
      continue;
    }
    const content = await ask(patient);
    if (patient !== state.patient) continue;
    const place = slice - data.patients[patient].first;
    const sheet = await greys(content, place);
    if (built !== `${patient}/${changes}`) {
      built = `${patient}/${changes}`;
      buildTiles(content);
    }
    scene = sceneOf(content, place, sheet);
    paint();
    byId("slice-name").textContent = `slice ${slice} of ${data.patients[patient].slices}`;
    byId("slice").value = slice;
    byId("stage").dataset.shown = `${patient}/${slice}`;
    if (done === wanted()) decodeAround(content, place).catch(complain);
  }
}

/** Decode one slice after the other, the nearest first, until something else is to be drawn. */
async function decodeAround(content, place) {
  const done = wanted();
  for (let step = 1; step <= AHEAD; step++) {
    for (const near of [place + step, place - step]) {
      if (wanted() !== done) return;
      if (content.pictures[near] !== undefined) await greys(content, near);
    }
  }
}

function paint() {
  const [mode] = byId("mode").value.split(" ");
  Object.assign(byId("key").dataset, { mode, error: checked("signed") ? "signed" : "absolute" });
  for (const one of tiles) shownBy(one).paint(one.canvas);
  tell();
}

const shownBy = ({ picture, truth }) => (state.blinking ? truth : picture);

/** Paint the shown slice again, after a change of what is painted. */
function repaint() {
  if (scene) paint();
}

/** Build the tiles again, after a change of rows, columns or sizes. */
function rebuild() {
  changes += 1;
  return draw();
}

// -------------------------------------------------------------- pointers

function setWindow(next) {
  state.window = next;
  const { width, level } = next;
  byId("window").textContent = next === FULL_WINDOW ? ""
    : `window ${(width / 127.5).toFixed(2)}, level ${intensity(level)}`;
  scene?.rewindow();
  repaint();
}

/** Show another part of the pictures, which stay full. */
function setLens({ scale, centre }) {
  const margin = 0.5 / scale;
  state.lens = { scale, centre: centre.map((at) => Math.max(margin, Math.min(1 - margin, at))) };
  if (scene) scene.rectangle = shownRectangle(scene.content);
  repaint();
}

/** Enlarge the pictures by a factor; the place under the pointer, else the middle, stays. */
function magnify(factor) {
  const { scale: before, centre } = state.lens;
  const scale = Math.max(1, Math.min(CLOSEST, before * factor));
  const fixed = aimed ?? [0.5, 0.5];
  setLens({ scale, centre: centre.map((at, axis) =>
    at + (fixed[axis] - 0.5) * (1 / before - 1 / scale)) });
}

function blink(on) {
  if (state.blinking === on) return;
  state.blinking = on;
  byId("stage").classList.toggle("blinking", on);
  repaint();
}

function enlarge(name) {
  state.enlarged = name;
  return rebuild();
}

/** Mark the same place in every picture, with its value there. */
function aim(event) {
  const over = event.target.closest?.("#stage canvas");
  aimed = over ? placeIn(over.getBoundingClientRect(), event) : null;
  byId("stage").classList.toggle("aimed", aimed !== null);
  tell();
}

const placeIn = (box, { clientX, clientY }) =>
  [(clientX - box.left) / box.width, (clientY - box.top) / box.height]
    .map((share) => Math.max(0, Math.min(share, 1 - 1e-6)));

function tell() {
  if (!aimed || !scene) return;
  const [left, top, right, bottom] = scene.rectangle;
  const [along, down] = aimed;
  byId("stage").style.setProperty("--x", `${100 * along}%`);
  byId("stage").style.setProperty("--y", `${100 * down}%`);
  const x = Math.floor(left + along * (right - left));
  const y = Math.floor(top + down * (bottom - top));
  const at = y * scene.content.size[0] + x;
  for (const one of tiles) one.readout.textContent = shownBy(one).read(at);
}

const DRAGGED = 4; // pixels from which a click is a drag
const SWIPED = 40;
const DOUBLE = 250; // ms in which a second click makes a double click

function listenToPointers() {
  const stage = byId("stage");
  let pressed = null, clicks;
  stage.addEventListener("pointerdown", (event) => {
    const { clientX, clientY, button, shiftKey, target } = event;
    if (button !== 0) return;
    const { window, lens } = state;
    pressed = { clientX, clientY, canvas: target.closest("canvas"), window, lens, moves: shiftKey, dragged: false };
  });
  addEventListener("pointermove", (event) => {
    aim(event);
    if (!pressed?.canvas || event.pointerType === "touch") return;
    const right = event.clientX - pressed.clientX, down = event.clientY - pressed.clientY;
    pressed.dragged ||= Math.hypot(right, down) >= DRAGGED;
    if (!pressed.dragged) return;
    if (pressed.moves) {
      const { scale, centre: [x, y] } = pressed.lens;
      const { clientWidth, clientHeight } = pressed.canvas;
      return setLens({ scale, centre: [x - right / clientWidth / scale, y - down / clientHeight / scale] });
    }
    setWindow({
      width: Math.max(4, Math.min(510, pressed.window.width + right)),
      level: Math.max(0, Math.min(255, pressed.window.level + down)),
    });
  });
  addEventListener("pointerup", (event) => {
    const { canvas, dragged, moves, clientX } = pressed ?? {};
    pressed = null;
    const right = event.clientX - clientX;
    if (event.pointerType === "touch" && Math.abs(right) > SWIPED) return turnMethod(-Math.sign(right));
    if (!canvas || dragged || moves) return;
    // A double click resets the window; only a single one enlarges.
    if (clicks) {
      clicks = clearTimeout(clicks);
      return setWindow(FULL_WINDOW);
    }
    const name = tiles.find((one) => one.canvas === canvas)?.name;
    clicks = setTimeout(() => {
      clicks = undefined;
      enlarge(state.enlarged ? null : name);
    }, DOUBLE);
  });
  addEventListener("pointercancel", () => (pressed = null));
  stage.addEventListener("pointerleave", () => stage.classList.remove("aimed"));
  let turned = 0;
  stage.addEventListener("wheel", (event) => {
    if (event.shiftKey || !event.deltaY) return;
    event.preventDefault();
    // Fingers on a touchpad that move apart arrive as a wheel with Ctrl.
    if (event.ctrlKey) return magnify(Math.exp(-event.deltaY * (event.deltaMode ? 0.1 : 0.003)));
    // A touchpad sends many small turns, a wheel one of about a hundred pixels a notch.
    turned += event.deltaMode ? Math.sign(event.deltaY) * 50 : event.deltaY;
    const steps = Math.trunc(turned / 50);
    if (Math.abs(steps) < 1) return;
    turned = 0;
    changeSlice(-Math.sign(steps));
  }, { passive: false });
}

/** Show the next or the previous method, on a screen that shows one. */
function turnMethod(step) {
  state.turn += step;
  return rebuild();
}
