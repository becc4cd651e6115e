// The figures, and the record of what the numbers were made from.
"use strict";

function figureNode({ name, caption }) {
  const [png, pdf] = [`figures/${name}.png`, `figures/${name}.pdf`];
  const image = make("img", { src: png, loading: "lazy",
    alt: caption.map(([text]) => text).join("") });
  // Figures of one column would else have much larger letters than those of two.
  image.addEventListener("load", () => (image.style.maxWidth = `${image.naturalWidth / 2}px`));
  return make("figure", {}, make("a", { href: png, title: "Open in full size" }, image),
    make("figcaption", {}, ...spans(caption), " ", make("a", { href: pdf }, `${name}.pdf`)));
}

function showFigures() {
  byId("view-figures").append(...data.figures.map(figureNode));
}

function checkText({ name, holds, found, critical }) {
  const verdict = holds ? "holds" : critical ? "DOES NOT HOLD" : "warning, does not hold";
  return `${verdict}: ${name}${found ? `. Found: ${found}` : ""}`;
}

function showManifest() {
  const { facts, checks, failed, settings } = data.manifest;
  const rows = Object.entries(facts).flatMap(([name, value]) =>
    [make("dt", {}, name), make("dd", {}, value)]);
  const list = (items) => make("ul", {}, ...items.map((item) => make("li", {}, item)));
  const good = checks.filter(({ holds }) => holds);
  byId("view-manifest").append(
    make("h2", {}, "How these numbers were made"),
    make("p", { class: "caption" }, `${data.description} The full record, with the checksum of every file, is in `,
      make("a", { href: "manifest.json" }, "manifest.json"),
      ". The command “python -m benchmarks verify” compares the files with it."),
    make("dl", {}, ...rows),
    make("h3", {}, "Checks"),
    list(checks.filter(({ holds }) => !holds).map(checkText)),
    make("details", { id: "checks" },
      make("summary", { class: good.length === checks.length ? "good" : "" },
        `${good.length} of ${checks.length} checks hold`),
      list(good.map(checkText))),
    ...(failed.length ? [make("h3", {}, "Without scores"), list(failed)] : []),
    make("h3", {}, "Settings"),
    make("details", {}, make("summary", {}, "The benchmark file, the scale and the command line together"),
      make("pre", {}, settings)));
}
