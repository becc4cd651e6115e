// The NIfTI files of the shown patient, and a command that opens them.
"use strict";

/** A word as a POSIX shell reads it. */
const quoted = (word) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** The path of a run's prediction; undefined where there is none. */
function caseFile(run, kind) {
  const folders = data.nifti.cases[run] ?? [];
  const folder = folders[folders.length > 1 ? state.patient : 0];
  return folder ? `${folder}/${data.patients[state.patient].patient}_${kind}.nii.gz` : undefined;
}

/** The true T1ce as the ceiling's prediction, which has the grid and the grey values of the others. */
const trueFile = () => caseFile(data.columns.find(({ role }) => role === "ceiling")?.t1ce, "t1ce");

/** The files of the patient and of a method, by what they hold. */
function filesOf({ label, t1ce, seg, seg_label: segmentor }) {
  const read = data.nifti.read[state.patient];
  const found = {
    "T1ce as read": read.t1ce,
    "segmentation as read": read.seg,
    "true T1ce": trueFile(),
    [`T1ce of ${label}`]: caseFile(t1ce, "t1ce"),
    [`segmentation of ${segmentor}`]: caseFile(seg, "seg"),
  };
  return Object.entries(found).filter(([, path]) => path);
}

function itksnap(column) {
  const images = new Set([trueFile(), caseFile(column.t1ce, "t1ce")].filter(Boolean));
  const [image, overlay] = images;
  const parts = [["-g", image], ["-o", overlay], ["-s", caseFile(column.seg, "seg")]]
    .filter(([, path]) => path);
  return image ? ["itksnap", ...parts.flatMap(([flag, path]) => [flag, quoted(path)])].join(" ") : "";
}

/** The chosen method's files; at first those of the run that patients are sorted by. */
function showFiles() {
  const columns = data.columns.filter(({ t1ce, seg }) => data.nifti.cases[t1ce ?? seg]);
  byId("nifti").hidden = !columns.length;
  if (!columns.length) return;
  const select = byId("nifti-method");
  const shown = shownColumns().filter((column) => columns.includes(column));
  const first = columns.find(({ t1ce, seg }) => [t1ce, seg].includes(state.of))
    ?? shown.find(({ role }) => role === "method") ?? columns[0];
  const column = columns.find(({ label }) => label === select.value) ?? first;
  select.replaceChildren(...columns.map(({ label }) => make("option", { value: label }, label)));
  select.value = column.label;
  byId("nifti-command").textContent = itksnap(column);
  byId("nifti-paths").replaceChildren(...filesOf(column).flatMap(([name, path]) =>
    [make("dt", {}, name), make("dd", {}, make("code", {}, path))]));
  byId("nifti-copy").textContent = "Copy";
}

function listenToFiles() {
  byId("nifti-method").addEventListener("change", showFiles);
  byId("nifti-copy").addEventListener("click", ({ target }) =>
    copyText(target, byId("nifti-command").textContent, byId("nifti-command")));
}
