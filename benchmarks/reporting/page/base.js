// What all scripts of the page share. They are plain scripts in one scope, since browsers load no
// modules from `file:`. All texts come from data.js and are inserted as text, never as markup.
"use strict";

const data = globalThis.pageData;
const $ = globalThis.dataTables.jQuery;
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

const spans = (parts) =>
  parts.map(([text, strong]) => (strong ? make("strong", {}, text) : text));
const joined = (nodes) => nodes.flatMap((node, place) => (place ? [", ", node] : [node]));

// ---------------------------------------------------------------- scores

const value = (number) => (number === null ? null : Number(number));
const measureOf = (key) => data.measures.find((measure) => measure.key === key);

function written(number, measure) {
  if (number === null || number === undefined) return "–";
  return Number(number) === Infinity ? "∞" : Number(number).toFixed(measure.digits);
}

/** The measure of the main protocol, the one listed first, such as "dice/et". */
const ofMainProtocol = (name) => measureOf(`${data.measures[0]?.protocol}/${name}`);

/** The mean over the patients that have a score; null if none has. */
function meanOf(scores) {
  const known = scores.map(value).filter((score) => score !== null);
  return known.length ? known.reduce((sum, score) => sum + score, 0) / known.length : null;
}

/** Compare two scores of a measure, the worse first; a missing one comes last. */
function worseFirst(measure, a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return measure.better === "lower" ? b - a : a - b;
}

// ----------------------------------------------------------- the address

const VIEWS = {
  summary: "Summary",
  tables: "Tables",
  patients: "Patients",
  reading: "Blinded reading",
  figures: "Figures",
  manifest: "How these numbers were made",
};

const named = () => location.hash.slice(1).split("?")[0];
const view = () => (Object.hasOwn(VIEWS, named()) ? named() : "summary");
const query = () => new URLSearchParams(location.hash.split("?").slice(1).join("?"));
const address = (name, entries) => `#${name}?${new URLSearchParams(entries)}`;

/** Write the place within a view into the address, without a new entry of the history. */
function remember(name, entries) {
  if (view() !== name) return;
  history.replaceState(null, "", address(name, [...entries, ...methodEntries()]));
}

const CORRECTED = "The verdict is by p, corrected for all pairs of rows; the interval is that of the pair alone.";

/** What may be claimed of two runs in a measure, as a verdict for the first and a sentence. */
function claimOf(measure, run, other) {
  for (const { key, runs, pairs } of data.claims) {
    const [first, second] = [run, other].map((one) => runs.indexOf(one));
    const pair = key === measure.key && first >= 0 && second >= 0 && pairs.find(([a, b]) =>
      (a === first && b === second) || (a === second && b === first));
    if (!pair) continue;
    const [a, , verdict, sentence] = pair;
    return { better: verdict === "A is better" && a === first,
      worse: verdict === "A is better" && a === second, verdict, sentence };
  }
  return null;
}

/** Copy a node's text; where the browser does not allow it, select the text. */
async function copyText(button, text, node) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(node);
    button.textContent = "Selected: press Ctrl+C";
  }
}
