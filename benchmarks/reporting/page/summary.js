// The first view: the question, who was measured, the gap that each synthesis recovers, and links.
"use strict";

const GAP_TABLE = "table0_gap";
const GAP_FIGURE = "gap";
const NO_GAP = "The share of the gap between no T1ce and the real T1ce is not defined here.";
const PLOT = { width: 320, height: 22, low: -1.5, high: 2 }; // shares beyond are drawn at the edge

/** The ends of a share's interval, which may be infinite; null where it has none. */
function shareEnds({ interval, interval_text: text }) {
  if (interval) return interval;
  const ends = /^(\S+) to (\S+) %$/.exec(text)?.slice(1);
  return ends ? ends.map((end) => Number(end.replace("∞", "Infinity")) / 100) : null;
}

/** The first block of the gap's table whose shares are defined, and which columns hold them. */
function gapBlock() {
  const table = data.tables.find(({ name }) => name === GAP_TABLE);
  for (const block of table?.blocks ?? []) {
    const share = block.columns.findIndex(({ title }, place) =>
      title.startsWith("share") && block.rows.some(({ cells }) => cells[place].value !== null));
    if (share > 0) return { block, share, dice: share - 1 };
  }
  return null;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Draw a share as a dot with its interval, between the lines of no T1ce and of the real T1ce. */
function sharePlot(cell, scale) {
  const middle = PLOT.height / 2;
  const line = (x1, y1, x2, y2, style) => svg("line", { x1, y1, x2, y2, class: style });
  const ends = shareEnds(cell);
  const marks = [0, 1].map((end) => line(scale(end), 0, scale(end), PLOT.height, "end"));
  if (ends) marks.push(line(scale(ends[0]), middle, scale(ends[1]), middle, "interval"));
  if (cell.value !== null) marks.push(svg("circle", { cx: scale(cell.value), cy: middle, r: 4 }));
  return svg("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, width: PLOT.width,
    height: PLOT.height, role: "img", "aria-label": `${cell.text}, ${cell.interval_text}` }, ...marks);
}

function plotScale(cells) {
  const numbers = cells.flatMap((cell) => [cell.value ?? 0, ...(shareEnds(cell) ?? [])]);
  const low = Math.max(PLOT.low, Math.min(0, ...numbers));
  const high = Math.min(PLOT.high, Math.max(1, ...numbers));
  return (share) =>
    8 + (PLOT.width - 16) * ((Math.max(low, Math.min(high, share)) - low) / (high - low));
}

const sentences = (counts) => counts.filter(([count]) => count)
  .map(([count, one, many]) => `${count} ${count === 1 ? one : many}`).join(", ");

const NO_T1CE = "no T1ce";
const NO_CLAIM = "Nothing is claimed here of a synthesis and no T1ce: Table X has no such pair.";
const TOO_FEW = "too few patients";
const isSynthesis = ({ role, run, label }) => role === "method" && run && label !== NO_T1CE;

/** Count the syntheses by what Table X claims of each and no T1ce, corrected for all its pairs. */
function verdict({ block, dice }) {
  const measure = measureBehind(block, block.columns[dice]);
  const without = block.rows.find(({ label }) => label === NO_T1CE)?.run;
  const found = measure && without ? block.rows.filter(isSynthesis)
    .map(({ run }) => claimOf(measure, run, without)).filter(Boolean) : [];
  if (!found.length) return NO_CLAIM;
  const better = found.filter((claim) => claim.better).length;
  const worse = found.filter((claim) => claim.worse).length;
  const few = found.filter(({ verdict: said }) => said === TOO_FEW).length;
  const open = found.length - better - worse - few;
  const counted = sentences([
    [better, "beats no T1ce", "beat no T1ce"],
    [worse, "is worse than no T1ce", "are worse than no T1ce"],
    [open, "cannot be told from no T1ce", "cannot be told from no T1ce"],
    [few, "has too few patients for any claim", "have too few patients for any claim"],
  ]);
  return `Of ${found.length} syntheses, by ${measure.title}: ${counted} `
    + "(Table X: p corrected for all pairs of rows).";
}

/** Count the syntheses whose own interval is above 0, below 0, or neither: no claim. */
function intervalCounts({ block, share }) {
  const ends = block.rows.filter(({ role }) => role === "method")
    .map(({ cells }) => shareEnds(cells[share])).filter(Boolean);
  const above = ends.filter(([low]) => low > 0).length;
  const below = ends.filter(([, high]) => high < 0).length;
  const counted = sentences([
    [above, "is above 0 %", "are above 0 %"],
    [below, "is below 0 %", "are below 0 %"],
    [ends.length - above - below, "contains 0 %", "contain 0 %"],
  ]);
  return ends.length ? `The 95 % intervals of the share below are each of its row alone, not corrected `
    + `for the ${ends.length} syntheses, so none is a claim by itself: ${counted}.` : "";
}

function gapTable({ block, share, dice }) {
  const scale = plotScale(block.rows.map(({ cells }) => cells[share]));
  const measure = measureBehind(block, block.columns[dice]);
  const axis = svg("svg", { viewBox: `0 0 ${PLOT.width} 14`, width: PLOT.width, height: 14 },
    ...[["no T1ce", 0], ["real T1ce", 1]].map(([text, end]) => {
      const label = svg("text", { x: scale(end), y: 11, "text-anchor": end ? "end" : "middle" });
      label.textContent = text;
      return label;
    }));
  const head = (text, style) => make("th", { scope: "col", class: style }, text);
  const rows = block.rows.map(({ label, run, role, cells, status }) => {
    const link = measure?.values[run]
      ? make("a", { href: address("patients", { score: measure.key, of: run }) }, label) : label;
    const { text, interval_text: interval } = cells[dice];
    const style = status.startsWith("failed") ? `${role} failed` : role;
    return make("tr", { class: style, "data-methods": methodsOfRow({ run, label }) },
      make("th", { scope: "row", class: "words" }, link),
      make("td", { class: "number" }, text, interval ? make("small", {}, interval) : ""),
      make("td", { class: "number" }, cells[share].text),
      make("td", {}, sharePlot(cells[share], scale)));
  });
  return make("div", { class: "wide" }, make("table", { class: "dataTable compact", id: "gap" },
    make("caption", {}, block.heading),
    make("thead", {}, make("tr", {}, head("T1ce of", "words"), head(block.columns[dice].title, "number"),
      head("of the gap", "number"), head(axis, "words"))),
    make("tbody", {}, ...rows)));
}

/** Links to the patients with enhancing tumour whose score is the worst on average. */
function worstPatients() {
  const measure = measureOf(data.main);
  if (!data.worst.length) return [];
  return [
    make("h3", {}, "The worst patients"),
    make("p", { class: "caption" }, `Of those with enhancing tumour, by ${measure.title}, mean of the methods.`),
    make("ol", { id: "worst" }, ...data.worst.map((number) => {
      const { patient, et_ml: enhancing } = data.patients[number];
      const link = make("a", { href: address("patients", { patient, score: measure.key }) }, patient);
      const score = written(measure.mean[number], measure);
      return make("li", {}, link, ` ${score}, ${enhancing.toFixed(1)} ml ET`);
    })),
  ];
}

function fillSummary() {
  const gap = gapBlock();
  const table = data.tables.find(({ name }) => name === GAP_TABLE);
  const figure = data.figures.find(({ name }) => name === GAP_FIGURE);
  const count = data.patients.length;
  const notes = (table?.notes ?? []).map((note) => make("li", {}, note));
  const links = data.tables.map(({ name, title }) =>
    make("li", {}, make("a", { href: address("tables", { table: name }) }, title)));
  byId("view-summary").append(
    make("h2", {}, "Can T1ce be synthesised well enough to segment a glioma?"),
    make("p", { class: "caption" }, data.description),
    make("p", { id: "verdict" }, make("strong", {}, gap ? verdict(gap) : NO_GAP)),
    make("p", { id: "intervals", class: "caption" }, gap ? intervalCounts(gap) : ""),
    make("p", { class: "caption" }, data.shown),
    make("div", { class: "beside" },
      make("div", {}, ...(gap ? [gapTable(gap)] : []),
        make("details", { hidden: !notes.length }, make("summary", {}, "How to read this"),
          make("ul", { class: "notes" }, ...notes))),
      make("div", {}, ...worstPatients(),
        make("h3", {}, "More"),
        make("ul", {}, ...[
          ["#patients", `${count} test ${count === 1 ? "patient" : "patients"}, slice by slice`],
          ["#figures", `${data.figures.length} figures`],
          ["#manifest", VIEWS.manifest],
        ].map(([href, text]) => make("li", {}, make("a", { href }, text))))),
      make("div", {}, make("h3", {}, "Tables"), make("ul", {}, ...links))),
    ...(figure ? [figureNode(figure)] : []));
}
