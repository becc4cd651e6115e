// The blinded reading: one T1ce at a time without its name, rated, and saved as CSV.
"use strict";

const RATING_COLUMNS = ["order", "patient", "slice", "picture", "answer", "rating"];
const reading = { cases: [], at: 0, slice: 0, ratings: [] };

/** Each patient's true T1ce and one of a random method, in random order: half of them are real. */
function shuffledCases() {
  const syntheses = data.columns.filter((column) =>
    column.role === "method" && column.t1ce && isShown(column));
  const one = () => syntheses[Math.floor(Math.random() * syntheses.length)].t1ce;
  const pictured = [...data.patients.keys()].filter(hasPictures);
  const cases = pictured.flatMap((patient) =>
    ["truth", ...(syntheses.length ? [`t1ce:${one()}`] : [])].map((picture) => ({ patient, picture })));
  for (let last = cases.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [cases[last], cases[other]] = [cases[other], cases[last]];
  }
  return cases;
}

function startReading() {
  Object.assign(reading, { cases: shuffledCases(), at: 0, ratings: [] });
  showCase();
}

function showCase() {
  const { cases, at, ratings } = reading;
  const next = cases[at];
  byId("reading-form").hidden = !next;
  byId("reading-save").hidden = !ratings.length;
  byId("reading-start").textContent = cases.length ? "Start again" : "Start";
  byId("reading-place").textContent = next ? `Picture ${at + 1} of ${cases.length}`
    : cases.length ? `All ${cases.length} pictures are rated. Save the ratings.` : "";
  byId("reading-form").reset();
  if (!next) return;
  const { first, count, start } = data.patients[next.patient];
  Object.assign(byId("reading-slice"), { min: first, max: first + count - 1, value: start });
  drawCase().catch((error) => (byId("reading-place").textContent = error.message));
}

/** Draw the slice of the slider, unless another is asked for while it is decoded. */
async function drawCase() {
  const shown = reading.cases[reading.at];
  const slice = Number(byId("reading-slice").value);
  const content = await ask(shown.patient);
  const sheet = await greys(content, slice - data.patients[shown.patient].first);
  if (shown !== reading.cases[reading.at] || slice !== Number(byId("reading-slice").value)) return;
  reading.slice = slice;
  const canvas = byId("reading-picture");
  const [width, height] = content.size;
  const high = Math.round(0.6 * innerHeight * devicePixelRatio);
  canvas.height = high;
  canvas.width = Math.round((high * width * content.pixel[0]) / (height * content.pixel[1]));
  canvas.style.height = "60vh";
  const image = painted(tile(content, sheet, shown.picture), windowed(FULL_WINDOW), content.size);
  cover(canvas, image, [0, 0, width, height], true);
  canvas.dataset.shown = `${reading.at}/${slice}`;
}

function rate(answers) {
  const { patient, picture } = reading.cases[reading.at];
  reading.ratings.push({
    order: reading.at + 1, patient: data.patients[patient].patient, slice: reading.slice,
    picture: picture === "truth" ? "real T1ce" : picture.slice("t1ce:".length),
    answer: answers.get("answer"), rating: answers.get("rating"),
  });
  reading.at += 1;
  showCase();
}

/** The ratings as CSV; every field is quoted, since names may hold commas and quotes. */
function ratingsText() {
  const quoted = (field) => `"${String(field).replaceAll('"', '""')}"`;
  const lines = reading.ratings.map((rating) => RATING_COLUMNS.map((name) => quoted(rating[name])));
  return [RATING_COLUMNS, ...lines].map((fields) => `${fields.join(",")}\r\n`).join("");
}

function saveRatings() {
  const url = URL.createObjectURL(new Blob([ratingsText()], { type: "text/csv" }));
  make("a", { href: url, download: "ratings.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function listenToReading() {
  byId("reading-start").addEventListener("click", startReading);
  byId("reading-save").addEventListener("click", saveRatings);
  byId("reading-slice").addEventListener("input", drawCase);
  byId("reading-form").addEventListener("submit", (event) => {
    event.preventDefault();
    rate(new FormData(event.target));
  });
}
