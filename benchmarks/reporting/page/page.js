// The page's behaviour: tables that sort, a viewer of slices, figures, and the manifest.
// All texts come from data.js and are inserted as text, never as markup.
"use strict";

(() => {
  const data = globalThis.pageData;
  const $ = globalThis.dataTables.jQuery;
  const byId = (id) => document.getElementById(id);
  const VIEWS = ["tables", "patients", "figures", "manifest"];

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

  // ---------------------------------------------------------------- tables

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
      layout: { topStart: "search", topEnd: null, bottomStart: null, bottomEnd: null },
      language: { search: "Filter rows:", emptyTable: "No rows.", zeroRecords: "No row matches." },
      ...options,
    });
  }

  const ARROWS = { higher: " ↑", lower: " ↓", "": "" };
  const NOTHING = ["", "–", "n/a"];
  const REASONS = { quoted: "quoted from the paper" };

  /** The columns of a block as shown: labels first; published numbers are beside ours. */
  function columnsOf({ columns, rows }) {
    const shown = [{
      title: "row", better: "", text: true,
      cell: ({ label }) => ({ text: label, order: label }),
    }];
    columns.forEach(({ title, better }, place) => {
      const cells = rows.map((row) => row.cells[place]);
      // A column without any value holds words, and is sorted by them.
      const text = cells.every((cell) => cell.value === null)
        && cells.some((cell) => !NOTHING.includes(cell.text));
      const order = (cell) => (NOTHING.includes(cell.text) ? "" : text ? cell.text : cell.value ?? "");
      shown.push({
        title: title + ARROWS[better], better, text,
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

  function tableOf({ rows }, columns) {
    const styles = columns.map(({ text, published }) =>
      `${text ? "words" : "number"}${published ? " published" : ""}`);
    const head = columns.map(({ title }, place) =>
      make("th", { scope: "col", class: styles[place] }, title));
    const body = rows.map((row) => {
      const { role, status } = row;
      const tds = columns.map((column, place) => {
        const { text, order, best, interval_text: interval } = column.cell(row);
        return make(
          "td",
          { "data-order": order, class: styles[place] },
          best ? make("strong", {}, text) : text,
          interval && !NOTHING.includes(interval) ? make("small", {}, interval) : "",
          place === 0 && status ? make("small", { class: "reason" }, REASONS[status] ?? status) : "",
        );
      });
      return make("tr", { class: status.startsWith("failed") ? `${role} failed` : role }, ...tds);
    });
    return make("table", { class: "compact" },
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
  }

  function showTables() {
    const view = byId("view-tables");
    const picks = make("nav", { class: "picks", "aria-label": "Tables" });
    view.append(picks);
    const articles = data.tables.map((table) => {
      const links = [".csv", ".md", ".tex"].map((end) =>
        make("a", { href: `tables/${table.name}${end}`, download: true }, end.slice(1)));
      const article = make("article", { id: table.name },
        make("h2", {}, table.title),
        make("p", { class: "caption" }, ...spans(table.caption)));
      const grids = table.blocks.map((block) => {
        const columns = columnsOf(block);
        const grid = tableOf(block, columns);
        article.append(make("h3", {}, block.heading), make("div", { class: "wide" }, grid));
        return [grid, columns];
      });
      const all = data.longTable
        ? ["; all scores: ", make("a", { href: `tables/${data.longTable}`, download: true }, data.longTable)]
        : [];
      article.append(
        make("ul", { class: "notes" }, ...table.notes.map((note) => make("li", {}, note))),
        make("p", { class: "files" }, "This table: ", ...joined(links), ...all));
      view.append(article);
      for (const [grid, columns] of grids) sortable(grid, columns);
      return article;
    });
    const choose = (chosen) => {
      articles.forEach((article) => (article.hidden = article !== chosen));
      picks.childNodes.forEach((pick, place) =>
        pick.setAttribute("aria-pressed", articles[place] === chosen));
    };
    for (const [place, table] of data.tables.entries()) {
      const pick = make("button", { type: "button" }, table.title.split(". ").slice(0, 2).join(". "));
      pick.addEventListener("click", () => choose(articles[place]));
      picks.append(pick);
    }
    if (articles.length) choose(articles[0]);
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
      make("p", { class: "caption" }, "One sentence per pair of rows, from Table X. p is corrected for all pairs of the column."),
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
      ? [make("h3", {}, heading), make("ul", {}, ...pairs.map(([, , verdict, sentence]) =>
        make("li", { "data-verdict": verdict }, sentence)))]
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

  const joined = (nodes) => nodes.flatMap((node, place) => (place ? [", ", node] : [node]));

  // --------------------------------------------------------------- figures

  function showFigures() {
    for (const { name, caption } of data.figures) {
      const pdf = `figures/${name}.pdf`;
      const image = make("img", { src: `figures/${name}.png`,
        alt: caption.map(([text]) => text).join("") });
      // Figures of one column would else have much larger letters than those of two.
      image.addEventListener("load", () => (image.style.maxWidth = `${image.naturalWidth / 2}px`));
      byId("view-figures").append(make("figure", {},
        make("a", { href: pdf, title: "Open to print" }, image),
        make("figcaption", {}, ...spans(caption), " ", make("a", { href: pdf }, `${name}.pdf`))));
    }
  }

  function showManifest() {
    const { facts, checks, failed, settings } = data.manifest;
    const rows = Object.entries(facts).flatMap(([name, value]) =>
      [make("dt", {}, name), make("dd", {}, value)]);
    const list = (items) => make("ul", {}, ...items.map((item) => make("li", {}, item)));
    byId("view-manifest").append(
      make("h2", {}, "How these numbers were made"),
      make("p", { class: "caption" }, `${data.description} The full record, with the checksum of every file, is in `,
        make("a", { href: "manifest.json" }, "manifest.json"),
        ". The command “python -m benchmarks verify” compares the files with it."),
      make("dl", {}, ...rows),
      make("h3", {}, "Checks"),
      list(checks.map(({ name, holds, found, critical }) => {
        const verdict = holds ? "holds" : critical ? "DOES NOT HOLD" : "warning, does not hold";
        return `${verdict}: ${name}${found ? `. Found: ${found}` : ""}`;
      })),
      ...(failed.length ? [make("h3", {}, "Without scores"), list(failed)] : []),
      make("h3", {}, "Settings"),
      make("pre", {}, settings));
  }

  // ---------------------------------------------------------------- viewer

  const KEPT = 3; // patients whose pictures stay in memory
  const AHEAD = 6; // slices on either side that are decoded in advance
  const PAGE_STEP = 5;
  const HEADING = 4; // of a method, in em
  const GAP = 4;

  const state = { patient: 0, slice: 0, score: "", of: "mean" };
  const hidden = new Set(); // numbers of the columns that are not shown
  let patients; // the DataTable
  let drawing = null;
  let screens = []; // [canvas, how to draw it]

  const value = (number) => (number === null ? null : Number(number));
  const measureOf = (key) => data.measures.find((measure) => measure.key === key);

  function written(number, measure) {
    if (number === null || number === undefined) return "–";
    return Number(number) === Infinity ? "∞" : Number(number).toFixed(measure.digits);
  }

  // A patient's file calls this once it has loaded; see `ask`.
  const asked = new Map();
  globalThis.receivePatient = (number, content) => asked.get(number)?.arrived(content);

  /** Load the pictures of a patient from a script: a page from `file:` may not read other files. */
  function ask(number) {
    const known = asked.get(number);
    if (known) {
      asked.delete(number);
      asked.set(number, known); // the last asked for is dropped last
      return known.content;
    }
    const request = {};
    request.content = new Promise((resolve, reject) => {
      const script = make("script", { src: `patients/${number}.js` });
      request.arrived = (content) => {
        script.remove();
        resolve({ ...content, decoded: new Map() });
      };
      script.onerror = () => {
        script.remove();
        asked.delete(number);
        reject(new Error(`patients/${number}.js is missing. Copy the whole folder.`));
      };
      document.head.append(script);
    });
    asked.set(number, request);
    for (const old of [...asked.keys()].slice(0, -KEPT)) asked.delete(old);
    return request.content;
  }

  /** The grey values of all tiles of a slice, 0 to 255, as one array with the width of the sheet. */
  function greys(content, place) {
    const { decoded } = content;
    if (!decoded.has(place)) decoded.set(place, decode(content.pictures[place]));
    return decoded.get(place);
  }

  async function decode(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/webp" }),
      { colorSpaceConversion: "none" });
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data: rgba } = context.getImageData(0, 0, image.width, image.height);
    const grey = new Uint8Array(rgba.length / 4);
    for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
    return { grey, width: image.width };
  }

  function tile(content, sheet, name) {
    const [width, height] = content.size;
    const number = content.tiles[name];
    const x = (number % content.across) * content.tile[0];
    const y = Math.floor(number / content.across) * content.tile[1];
    const made = new Uint8Array(width * height);
    for (let row = 0; row < height; row++) {
      const start = (y + row) * sheet.width + x;
      made.set(sheet.grey.subarray(start, start + width), row * width);
    }
    return made;
  }

  function classesOf(content, place, run) {
    const text = (run === null ? content.truth : content.seg[run])[place];
    const classes = new Uint8Array(content.size[0] * content.size[1]);
    let at = 0;
    for (const part of text ? text.split(" ") : []) {
      const [number, length] = part.split(":");
      const end = at + parseInt(length, 36);
      classes.fill(Number(number), at, end);
      at = end;
    }
    return classes;
  }

  /** The edges between pixels where a region ends, in pixels. */
  function outline(classes, [width, height], members) {
    const path = new Path2D();
    const member = [0, 1, 2, 3].map((number) => members.includes(number));
    const inside = (x, y) => x >= 0 && x < width && y >= 0 && y < height && member[classes[y * width + x]];
    const first = classes.findIndex((number) => member[number]);
    if (first < 0) return path;
    const last = classes.findLastIndex((number) => member[number]);
    for (let y = Math.floor(first / width); y <= Math.floor(last / width) + 1; y++) {
      for (let x = 0; x <= width; x++) {
        const here = inside(x, y);
        if (here !== inside(x - 1, y)) { path.moveTo(x, y); path.lineTo(x, y + 1); }
        if (here !== inside(x, y - 1)) { path.moveTo(x, y); path.lineTo(x + 1, y); }
      }
    }
    return path;
  }

  const pixelColor = (red, green, blue, alpha = 255) =>
    ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  const hexColor = (hex, alpha = 255) =>
    pixelColor(...[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)), alpha);
  const GREY = Uint32Array.from({ length: 256 }, (_, level) => pixelColor(level, level, level));
  const ERROR = Uint32Array.from({ length: 256 }, (_, level) =>
    hexColor(data.error.colors[Math.min(255, Math.round(level / data.error.limit))]));

  /** An array of pixels, each through a table of colours, as an image of the volume's own size. */
  function painted(pixels, colors, [width, height]) {
    const image = new OffscreenCanvas(width, height);
    const context = image.getContext("2d", { willReadFrequently: true });
    const content = context.createImageData(width, height);
    const target = new Uint32Array(content.data.buffer);
    for (let i = 0; i < target.length; i++) target[i] = colors[pixels[i]];
    context.putImageData(content, 0, 0);
    return image;
  }

  /** Fill a canvas with an image. */
  function cover(canvas, image, smooth) {
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = smooth;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
  }

  function stroke(canvas, paths, [width, height]) {
    const context = canvas.getContext("2d");
    const scale = canvas.width / width;
    context.save();
    context.scale(scale, canvas.height / height);
    context.lineWidth = devicePixelRatio / scale;
    for (const [color, path] of paths) {
      context.strokeStyle = color;
      context.stroke(path);
    }
    context.restore();
  }

  function paintClasses(canvas, classes, size) {
    const alpha = Math.round(255 * Number(byId("opacity").value));
    const colors = new Uint32Array(4);
    for (const [number, [, color]] of Object.entries(data.classes)) {
      colors[number] = hexColor(color, alpha);
    }
    cover(canvas, painted(classes, colors, size), false);
  }

  /** Draw the current `state`; calls during a drawing lead to one more, of the latest state. */
  function draw() {
    drawing ??= drawLatest().catch(complain).finally(() => (drawing = null));
    return drawing;
  }

  function complain(error) {
    byId("slice-name").textContent = error.message;
  }

  async function drawLatest() {
    for (let done = ""; done !== wanted(); ) {
      done = wanted();
      const { patient, slice } = state;
      const content = await ask(patient);
      if (patient !== state.patient) continue;
      const place = slice - data.patients[patient].first;
      const sheet = await greys(content, place);
      if (screens.patient !== patient || screens.stale) buildScreens(content);
      drawSlice(content, place, sheet);
      byId("stage").dataset.shown = `${patient}/${slice}`;
      if (done === wanted()) decodeAround(content, place).catch(complain);
    }
  }

  // Everything that a drawing depends on; `changes` counts changes of the controls.
  let changes = 0;
  const wanted = () => `${state.patient}/${state.slice}/${changes}`;

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

  function drawSlice(content, place, sheet) {
    const truth = classesOf(content, place, null);
    const outlines = Object.values(data.contours).map(({ color, classes }) =>
      [color, outline(truth, content.size, classes)]);
    const truthGrey = tile(content, sheet, "truth");
    const scene = { content, place, sheet, truth, outlines, truthGrey, images: new Map() };
    for (const [canvas, drawIt] of screens) drawIt(canvas, scene);
    const { slices } = data.patients[state.patient];
    byId("slice-name").textContent = `slice ${state.slice} of ${slices}`;
    byId("slice").value = state.slice;
  }

  // The image under the masks is the same for many methods, so it is painted once.
  const grey = (name) => (canvas, { content, sheet, images }) => {
    if (!images.has(name)) images.set(name, painted(tile(content, sheet, name), GREY, content.size));
    cover(canvas, images.get(name), true);
  };

  const withOutlines = (name) => (canvas, scene) => {
    grey(name)(canvas, scene);
    stroke(canvas, scene.outlines, scene.content.size);
  };

  const errorOf = (name) => (canvas, { content, sheet, truthGrey, outlines }) => {
    const error = tile(content, sheet, name);
    for (let i = 0; i < error.length; i++) error[i] = Math.abs(error[i] - truthGrey[i]);
    cover(canvas, painted(error, ERROR, content.size), true);
    if (byId("outlines").checked) stroke(canvas, outlines, content.size);
  };

  const trueClasses = (canvas, scene) => {
    grey("flair")(canvas, scene);
    paintClasses(canvas, scene.truth, scene.content.size);
  };

  const masksOf = (column) => (canvas, scene) => {
    const { content, place, outlines } = scene;
    const chosen = byId("under").value;
    const synthesis = column.t1ce === null ? "flair" : `t1ce:${column.t1ce}`;
    grey(chosen === "synthesis" ? synthesis : chosen)(canvas, scene);
    if (byId("predicted").checked) {
      paintClasses(canvas, classesOf(content, place, column.seg), content.size);
    }
    if (byId("outlines").checked) stroke(canvas, outlines, content.size);
  };

  const rowShown = (name) => byId("rows").querySelector(`[name=${name}]`).checked;

  function buildScreens(content) {
    const [width, height] = content.size.map((pixels, axis) => pixels * content.pixel[axis]);
    const rows = ["t1ce", "error", "masks"].filter(rowShown);
    const shown = data.columns.filter((_, place) => !hidden.has(place));
    const { cell, across } = measureRoom(width / height, rows.length, shown.length);
    screens = Object.assign([], { patient: state.patient, stale: false });

    const screen = (name, drawIt) => {
      const canvas = make("canvas", { role: "img", "aria-label": name });
      canvas.width = Math.round(cell[0] * devicePixelRatio);
      canvas.height = Math.round(cell[1] * devicePixelRatio);
      canvas.style.width = `${cell[0]}px`;
      canvas.style.height = `${cell[1]}px`;
      screens.push([canvas, drawIt]);
      return canvas;
    };
    const named = (name, drawIt) => make("figure", {}, screen(name, drawIt), make("figcaption", {}, name));
    const none = (text) => {
      const node = make("div", { class: "none" }, text);
      node.style.width = `${cell[0]}px`;
      node.style.height = `${cell[1]}px`;
      return node;
    };

    byId("references").style.gridTemplateColumns = `repeat(2, ${cell[0]}px)`;
    byId("references").replaceChildren(
      make("div", { class: "heading" },
        make("h3", {}, "Inputs and truth"),
        make("p", { class: "score" }, `Above each method: ${measureOf(state.score)?.title ?? "score"}.`)),
      named("T1", grey("t1")),
      named("T2", grey("t2")),
      named("FLAIR", grey("flair")),
      named("true T1ce", grey("truth")),
      named("true outlines", withOutlines("truth")),
      named("true classes", trueClasses));

    byId("columns").style.gridTemplateColumns = `repeat(${across}, ${cell[0]}px)`;
    byId("columns").replaceChildren(...shown.map((column) => {
      const pictures = rows.map((row) => {
        const name = `${column.label}: ${row}`;
        if (row === "masks") {
          return column.seg === null ? none("no masks") : screen(name, masksOf(column));
        }
        if (column.t1ce === null) return none(`no ${row === "t1ce" ? "T1ce" : "error"}`);
        const source = `t1ce:${column.t1ce}`;
        return screen(name, row === "t1ce" ? grey(source) : errorOf(source));
      });
      const masks = column.seg_label && column.seg !== column.t1ce ? `Masks: ${column.seg_label}. ` : "";
      const heading = make("div", { class: "heading", title: masks + column.notes.join(". ") },
        make("h3", {}, column.label),
        make("p", { class: "score" }, scoreOf(column)));
      const { failures } = column;
      return make("div", { class: failures.length ? "column failed" : "column", "data-role": column.role },
        heading, ...pictures, ...failures.map((failure) => make("p", { class: "reason" }, failure)));
    }));
  }

  /** The size of a picture in CSS pixels, and how many methods are side by side. */
  function measureRoom(aspect, rows, count) {
    const stage = byId("stage");
    const style = getComputedStyle(stage);
    const heading = HEADING * parseFloat(style.fontSize);
    const above = stage.getBoundingClientRect().top + scrollY;
    const free = innerHeight - above - byId("key").offsetHeight - 2 * GAP;
    // On a narrow screen the list of patients is above; then the pictures get a whole screen.
    const room = [stage.clientWidth - 2 * GAP, Math.max(free, 0.7 * innerHeight)];
    const chosen = byId("size").value;
    const besides = (width) => Math.max(1, Math.floor((room[0] + GAP) / (width + GAP)) - 2);
    if (chosen !== "fit") {
      const width = Math.round(Number(chosen) * Math.min(1, aspect));
      return { cell: [width, Math.round(width / aspect)], across: besides(width) };
    }
    let best = { width: 0, across: 1 };
    for (let bands = 1; bands <= Math.max(1, count); bands++) {
      const across = Math.max(1, Math.ceil(count / bands));
      const wide = room[0] / (across + 2) - GAP;
      const lines = Math.max(3, bands * rows);
      const high = (room[1] - bands * heading) / lines - GAP;
      const width = Math.floor(Math.min(wide, high * aspect));
      // A second band must make pictures much larger: side by side they are easier to compare.
      if (width > 1.15 * best.width) best = { width, across };
    }
    const width = Math.max(best.width, 60);
    return { cell: [width, Math.round(width / aspect)], across: best.width < 60 ? besides(60) : best.across };
  }

  function scoreOf({ t1ce, seg }) {
    const measure = measureOf(state.score);
    if (!measure) return "";
    const run = measure.task === "synthesis" ? t1ce : seg;
    const values = run === null ? undefined : measure.values[run];
    return values ? written(values[state.patient], measure) : "–";
  }

  // --------------------------------------------------------- the patients

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
    byId("of").replaceChildren(make("option", { value: "mean" }, "mean of the methods"), ...options);
    if (!measure?.values[state.of]) state.of = "mean";
    byId("of").value = state.of;
  }

  /** The list of patients by the chosen score, the worst first. */
  function listPatients() {
    fillRuns();
    const measure = measureOf(state.score);
    const values = (state.of === "mean" ? measure?.mean : measure?.values[state.of]) ?? [];
    const columns = [
      { title: "patient", text: true },
      { title: "tumour ml", text: false },
      { title: measure?.title ?? "score", text: false },
    ];
    const head = columns.map(({ title, text }) =>
      make("th", { scope: "col", class: text ? "words" : "number" }, title));
    const rows = data.patients.map(({ patient, tumour_ml: volume }, number) => {
      const name = make("button", { type: "button" }, patient);
      const score = value(values[number] ?? null);
      const row = make("tr", { "data-patient": number },
        make("td", { class: "words", "data-order": patient }, name),
        make("td", { class: "number", "data-order": volume }, volume.toFixed(1)),
        make("td", { class: "number", "data-order": score ?? "" },
          measure ? written(score, measure) : "–"));
      row.addEventListener("click", () => go({ patient: number }));
      return row;
    });
    const table = make("table", { class: "compact" },
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

  /** Show another patient or slice; without a slice, the one with the most tumour. */
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
    mark();
    remember();
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

  /** Draw again; `rebuild` where rows or sizes have changed. */
  function redraw(rebuild) {
    changes += 1;
    if (rebuild) screens.stale = true;
    return draw();
  }

  function toggle(box) {
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  const KEYS = {
    ArrowUp: () => changeSlice(1),
    ArrowDown: () => changeSlice(-1),
    PageUp: () => changeSlice(PAGE_STEP),
    PageDown: () => changeSlice(-PAGE_STEP),
    Home: () => go({ slice: data.patients[state.patient].start }),
    ArrowLeft: () => changePatient(-1),
    ArrowRight: () => changePatient(1),
    t: () => toggle(byId("outlines")),
    p: () => toggle(byId("predicted")),
    e: () => toggle(byId("rows").querySelector("[name=error]")),
    m: () => toggle(byId("rows").querySelector("[name=masks]")),
  };

  function listen() {
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("select, input:not([type=checkbox]):not(#slice)");
      if (view() !== "patients" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!Object.hasOwn(KEYS, event.key)) return;
      event.preventDefault();
      KEYS[event.key]();
    });
    let turned = 0;
    byId("stage").addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.shiftKey || !event.deltaY) return;
      event.preventDefault();
      // A touchpad sends many small turns, a wheel one of about a hundred pixels a notch.
      turned += event.deltaMode ? Math.sign(event.deltaY) * 50 : event.deltaY;
      const steps = Math.trunc(turned / 50);
      if (Math.abs(steps) < 1) return;
      turned = 0;
      changeSlice(-Math.sign(steps));
    }, { passive: false });
    byId("slice").addEventListener("input", (event) => go({ slice: Number(event.target.value) }));
    byId("fullest").addEventListener("click", KEYS.Home);
    for (const id of ["outlines", "predicted", "under"]) {
      byId(id).addEventListener("change", () => redraw(false));
    }
    byId("opacity").addEventListener("input", () => redraw(false));
    for (const id of ["rows", "methods", "size"]) {
      byId(id).addEventListener("change", () => redraw(true));
    }
    addEventListener("resize", () => view() === "patients" && redraw(true));
    byId("score").addEventListener("change", (event) => choose(event.target.value, state.of));
    byId("of").addEventListener("change", (event) => choose(state.score, event.target.value));
  }

  function choose(score, of) {
    Object.assign(state, { score, of });
    byId("score").value = score;
    listPatients();
    remember();
    redraw(true);
  }

  function fillMethods() {
    for (const [place, { label }] of data.columns.entries()) {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => (box.checked ? hidden.delete(place) : hidden.add(place)));
      byId("methods").append(make("label", {}, box, ` ${label}`));
    }
  }

  function fillKey() {
    const swatch = (color, filled) =>
      make("i", { style: filled ? `background:${color}` : `border:2px solid ${color}` });
    const stops = data.error.colors.filter((_, place) => place % 15 === 0).join(",");
    byId("key").append(
      make("span", {}, "error ",
        make("i", { class: "scale", style: `background:linear-gradient(to right,${stops})` }),
        ` 0 to ${data.error.limit} of the grey window and more`),
      ...Object.values(data.classes).map(([name, color]) => make("span", {}, swatch(color, true), name)),
      ...Object.entries(data.contours).map(([region, { color }]) =>
        make("span", {}, swatch(color, false), `true ${region.toUpperCase()}`)),
      make("span", { class: "hint" },
        "↑ ↓ or wheel: slices; ← →: patients; Page ↑ ↓: five slices; Home: most tumour. "
        + "Front up, the patient's left on the right. Masks are the largest component, as scored. "
        + "Pictures are compressed for viewing; scores are computed from the volumes."));
  }

  // ---------------------------------------------------------- the address

  const view = () => {
    const name = location.hash.slice(1).split("?")[0];
    return VIEWS.includes(name) ? name : VIEWS[0];
  };

  function remember() {
    if (view() !== "patients") return;
    const { patient, slice, score, of } = state;
    const query = new URLSearchParams({ patient: data.patients[patient].patient, slice, score, of });
    history.replaceState(null, "", `#patients?${query}`);
  }

  /** Show the place that the address names, as far as it exists. */
  function restore() {
    for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view();
    for (const link of document.querySelectorAll("header nav a")) {
      const current = link.getAttribute("href") === `#${view()}`;
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.body.dataset.view = view();
    if (view() !== "patients" || !data.patients.length) return;
    const query = new URLSearchParams(location.hash.split("?").slice(1).join("?"));
    const score = measureOf(query.get("score")) ?? measureOf(state.score)
      ?? data.measures[0];
    state.score = score?.key ?? "";
    state.of = query.get("of") ?? state.of;
    byId("score").value = state.score;
    listPatients();
    screens.stale = true;
    const found = data.patients.findIndex(({ patient }) => patient === query.get("patient"));
    const patient = found >= 0 ? found : state.visited ? state.patient : listed()[0];
    const asks = query.has("slice") && Number.isInteger(Number(query.get("slice")));
    const known = state.visited && patient === state.patient ? state.slice : undefined;
    state.visited = true;
    changes += 1;
    go({ patient, slice: asks ? Number(query.get("slice")) : known ?? data.patients[patient].start });
  }

  if (data.simulated) {
    byId("warning").hidden = false;
    byId("warning").textContent =
      "SIMULATED patients: these numbers say nothing about real patients or about which method is better.";
  }
  showClaims();
  showTables();
  showFigures();
  showManifest();
  fillScores();
  fillMethods();
  fillKey();
  listen();
  addEventListener("hashchange", restore);
  restore();
})();
