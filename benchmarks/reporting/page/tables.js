// The tables: sorted, filtered and chosen by the address, and the sentences about pairs of rows.
"use strict";

// A cell without a value comes last, whichever way the others are sorted.
function inOrder(a, b, way) {
  if (a === null || b === null) return (a === null) - (b === null);
  return way * (typeof a === "number" ? a - b || 0 : a.localeCompare(b));
}
const sorting = $.fn.dataTable.ext.type.order;
sorting["number-pre"] = (text) => (text === "" ? null : Number(text));
sorting["words-pre"] = (text) => text || null;
for (const type of ["number", "words"]) {
  sorting[`${type}-asc`] = (a, b) => (Object.is(a, b) ? 0 : inOrder(a, b, 1));
  sorting[`${type}-desc`] = (a, b) => (Object.is(a, b) ? 0 : inOrder(a, b, -1));
}

const NO_CONTROLS = { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null };

/** Make a table of <th> and <td data-order> sort; best values first where `better` says. */
function sortable(table, columns, options) {
  const definitions = columns.map(({ text, better }, target) => ({
    targets: target,
    type: text ? "words" : "number",
    orderSequence: better === "higher" ? ["desc", "asc", ""] : ["asc", "desc", ""],
  }));
  return $(table).DataTable({
    paging: false,
    info: false,
    order: [],
    autoWidth: false,
    columnDefs: definitions,
    layout: { ...NO_CONTROLS, topStart: "search" },
    language: { search: "Filter rows:", emptyTable: "No rows.", zeroRecords: "No row matches." },
    ...options,
  });
}

const ARROWS = { higher: " ↑", lower: " ↓", "": "" };
const NOTHING = ["", "–", "n/a"];
const REASONS = { quoted: "quoted from the paper" };

/** The columns of a block as shown: labels first; published numbers are beside ours. */
function columnsOf(block) {
  const { columns, rows } = block;
  const shown = [{
    title: "row", better: "", text: true,
    cell: ({ label }) => ({ text: label, order: label }),
  }];
  columns.forEach((column, place) => {
    const { title, better } = column;
    const cells = rows.map((row) => row.cells[place]);
    // A column without any value holds words, and is sorted by them.
    const text = cells.every((cell) => cell.value === null)
      && cells.some((cell) => !NOTHING.includes(cell.text));
    const order = (cell) => (NOTHING.includes(cell.text) ? "" : text ? cell.text : cell.value ?? "");
    shown.push({
      title: title + ARROWS[better], better, text, measure: measureBehind(block, column),
      cell: (row) => ({ ...row.cells[place], order: order(row.cells[place]) }),
    });
    if (cells.some((cell) => cell.published_text)) {
      shown.push({
        title: `${title} published`, better, text: false, published: true,
        cell: (row) => {
          const { published, published_text: text } = row.cells[place];
          return { text, order: published ?? "" };
        },
      });
    }
  });
  return shown;
}

function tableOf(block, columns) {
  const { rows, heading } = block;
  const styles = columns.map(({ text, published }) =>
    `${text ? "words" : "number"}${published ? " published" : ""}`);
  const head = columns.map(({ title }, place) =>
    make("th", { scope: "col", class: styles[place] }, title));
  const body = rows.map((row) => {
    const { role, status } = row;
    const tds = columns.map((column, place) => {
      const { text, order, best, interval_text: interval } = column.cell(row);
      const number = best ? make("strong", {}, text) : text;
      const patients = column.measure?.values[row.run] && text
        ? address("patients", { score: column.measure.key, of: row.run }) : null;
      return make(
        place === 0 ? "th" : "td",
        { "data-order": order, class: styles[place], scope: place === 0 && "row" },
        patients ? make("a", { href: patients, title: "Show its patients" }, number) : number,
        interval && !NOTHING.includes(interval) ? make("small", {}, interval) : "",
        place === 0 && status ? make("small", { class: "reason" }, REASONS[status] ?? status) : "",
      );
    });
    const style = status.startsWith("failed") ? `${role} failed` : role;
    return make("tr", { class: style, "data-methods": methodsOfRow(row) }, ...tds);
  });
  return make("table", { class: "compact" }, make("caption", {}, heading),
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

/** The measure that a column shows of its rows' runs; undefined where the page has no such score. */
function measureBehind(block, column) {
  const title = column.title.replace(/( where found|, n = \d+)$/, "");
  const protocol = /Protocol (\w+)/.exec(block.heading)?.[1] ?? data.measures[0]?.protocol;
  return data.measures.find((measure) => measure.title === title && measure.protocol === protocol);
}

/** Name the groups of rows above their first one, as long as the rows are not sorted. */
function nameGroups(block, table) {
  const body = table.tBodies[0];
  body.querySelectorAll(".group").forEach((row) => row.remove());
  if ($(table).DataTable().order().some(([, way]) => way)) return;
  const groups = new Map(block.rows.map(({ label, group }) => [label, group]));
  let last = "";
  for (const row of [...body.rows]) {
    const group = groups.get(row.cells[0].firstChild?.textContent) ?? "";
    const width = row.cells.length;
    if (group && group !== last) {
      row.before(make("tr", { class: "group" }, make("th", { colspan: width, scope: "rowgroup" }, group)));
    }
    last = group;
  }
}

const tables = { shown: data.tables[0], articles: new Map() };

function openTable(table) {
  const links = [".csv", ".md", ".tex"].map((end) =>
    make("a", { href: `tables/${table.name}${end}`, download: true }, end.slice(1)));
  const filter = make("input", { type: "search" });
  const article = make("article", { id: table.name },
    make("h2", {}, table.title),
    make("p", { class: "caption" }, ...spans(table.caption)),
    make("p", { class: "filter" }, make("label", {}, "Filter rows: ", filter)));
  const grids = table.blocks.map((block) => {
    const columns = columnsOf(block);
    const grid = tableOf(block, columns);
    article.append(make("div", { class: "wide" }, grid));
    return { block, columns, grid };
  });
  const all = data.longTable
    ? ["; all scores: ", make("a", { href: `tables/${data.longTable}`, download: true }, data.longTable)]
    : [];
  article.append(
    make("ul", { class: "notes" }, ...table.notes.map((note) => make("li", {}, note))),
    make("p", { class: "files" }, "This table: ", ...joined(links), ...all));
  byId("view-tables").append(article);
  const sorted = grids.map(({ block, columns, grid }) => {
    const shown = sortable(grid, columns, { layout: NO_CONTROLS });
    shown.on("order.dt", rememberTable);
    if (block.rows.some(({ group }) => group)) {
      shown.on("draw.dt", () => nameGroups(block, grid));
      nameGroups(block, grid);
    }
    return { block, columns, shown };
  });
  filter.addEventListener("input", () => {
    for (const { shown } of sorted) shown.search(filter.value).draw();
    rememberTable();
  });
  return { article, filter, grids: sorted };
}

/** Show a table, which is built when it is first shown. */
function showTable(table) {
  tables.shown = table;
  if (!tables.articles.has(table)) tables.articles.set(table, openTable(table));
  for (const [other, { article }] of tables.articles) article.hidden = other !== table;
  byId("table-picks").childNodes.forEach((pick, place) => {
    pick.setAttribute("aria-pressed", data.tables[place] === table);
    // On a narrow screen they are in one line.
    if (data.tables[place] === table) pick.parentNode.scrollLeft = pick.offsetLeft - pick.parentNode.offsetLeft;
  });
  document.title = `${table.title} – ${data.title}`;
}

function rememberTable() {
  if (!data.tables.length) return;
  const entries = [["table", tables.shown.name]];
  const { filter, grids } = tables.articles.get(tables.shown);
  if (filter.value) entries.push(["filter", filter.value]);
  for (const { block, columns, shown } of grids) {
    const [[place, way] = []] = shown.order();
    if (way) entries.push(["sort", `${block.name}/${columns[place].title}/${way}`]);
  }
  remember("tables", entries);
}

/** Show the table that the address names, as sorted and filtered there. */
function restoreTables() {
  if (!data.tables.length) return [];
  const asked = query(), problems = [];
  const table = data.tables.find(({ name }) => name === asked.get("table"));
  if (asked.has("table") && !table) problems.push(`There is no table “${asked.get("table")}”.`);
  showTable(table ?? (asked.has("table") ? data.tables[0] : tables.shown));
  if (!asked.has("table")) {
    rememberTable();
    return [];
  }
  const { filter, grids } = tables.articles.get(tables.shown);
  const orders = new Map(grids.map((grid) => [grid, []]));
  for (const text of asked.getAll("sort")) {
    const [, name, title, way] = /^([^/]*)\/(.*)\/(asc|desc)$/.exec(text) ?? [];
    const grid = grids.find(({ block }) => block.name === name);
    const place = grid?.columns.findIndex((column) => column.title === title) ?? -1;
    if (place < 0) problems.push(`The table cannot be sorted by “${text}”.`);
    else orders.set(grid, [[place, way]]);
  }
  filter.value = asked.get("filter") ?? "";
  for (const [{ shown }, order] of orders) shown.order(order).search(filter.value).draw();
  rememberTable();
  return problems;
}

function fillTables() {
  const picks = make("nav", { id: "table-picks", class: "picks", "aria-label": "Tables" });
  byId("view-tables").append(picks);
  for (const table of data.tables) {
    // "Table I. Ablation of MAF-Net, segmentation" or a title without a number.
    const [text] = /^(Table \w+\. )?[^.,]*/.exec(table.title);
    const pick = make("button", { type: "button", title: table.title }, text);
    pick.addEventListener("click", () => {
      showTable(table);
      rememberTable();
    });
    picks.append(pick);
  }
}

// ---------------------------------------------------------------- claims

/** Fill the folded list of sentences; only those of one column are in the document. */
function showClaims() {
  if (!data.claims.length) return;
  const option = (value, text) => make("option", { value }, text);
  const columns = make("select", { id: "claims-column" },
    ...data.claims.map(({ title }, place) => option(place, title)));
  const rows = make("select", { id: "claims-row" });
  const list = make("div", { id: "claims-list", "aria-live": "polite" });
  byId("view-tables").append(make("details", { id: "claims" },
    make("summary", {}, "What may be claimed"),
    make("p", { class: "caption" }, `One sentence per pair of rows, from Table X. ${CORRECTED}`),
    make("p", { class: "picks" }, make("label", {}, "Column ", columns), make("label", {}, "Row ", rows)),
    list));
  const chosen = () => data.claims[Number(columns.value)];
  const fillRows = () => {
    const labels = chosen().rows;
    // Another column keeps the row if it has one of that name.
    const kept = labels.indexOf(rows.selectedOptions[0]?.textContent);
    rows.replaceChildren(option("", "all rows"), ...labels.map((label, place) => option(place, label)));
    rows.value = kept < 0 ? "" : kept;
  };
  const group = (heading, pairs) => pairs.length
    ? [make("h3", {}, heading), make("ul", {}, ...pairs.map(([a, b, verdict, sentence]) => {
      const { runs } = chosen();
      return make("li",
        { "data-verdict": verdict, "data-methods": methodsOf(runs[a], runs[b]) }, sentence);
    }))]
    : [];
  const fill = () => {
    const { best, rows: labels, pairs } = chosen();
    const row = rows.value === "" ? null : Number(rows.value);
    const shown = pairs.filter(([a, b]) => row === null || a === row || b === row);
    const ofBest = ([a, b]) => a === best || b === best;
    list.replaceChildren(
      ...group(`The best method, ${labels[best]}`, shown.filter(ofBest)),
      ...group("Other pairs", shown.filter((pair) => !ofBest(pair))));
  };
  columns.addEventListener("change", () => { fillRows(); fill(); });
  rows.addEventListener("change", fill);
  fillRows();
  fill();
}
