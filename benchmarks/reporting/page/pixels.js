// The pictures of a patient: loaded, decoded, and painted through tables of colours.
"use strict";

const KEPT = 3; // patients whose pictures stay in memory

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
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = (y + row) * sheet.width + x;
    pixels.set(sheet.grey.subarray(start, start + width), row * width);
  }
  return pixels;
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
const ERROR = Uint32Array.from({ length: 256 }, (_, level) =>
  hexColor(data.error.colors[Math.min(255, Math.round(level / data.error.limit))]));
// By the difference plus 255, which is then at least 0.
const SIGNED = Uint32Array.from({ length: 511 }, (_, level) => {
  const share = (level - 255) / (255 * data.error.limit);
  return hexColor(data.error.signed[Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, share)))]);
});

/** The colours of grey values through a window of a width around a level, all in 0..255. */
const windowed = ({ width, level }) => Uint32Array.from({ length: 256 }, (_, grey) => {
  const shown = Math.round(255 * ((grey - level) / width + 0.5));
  const inside = Math.max(0, Math.min(255, shown));
  return pixelColor(inside, inside, inside);
});

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

/** Fill a canvas with a rectangle (left, top, right, bottom) of an image. */
function cover(canvas, image, [left, top, right, bottom], smooth) {
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = smooth;
  context.drawImage(image, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
}

function stroke(canvas, paths, [left, top, right, bottom]) {
  const context = canvas.getContext("2d");
  const scale = canvas.width / (right - left);
  context.save();
  context.scale(scale, canvas.height / (bottom - top));
  context.translate(-left, -top);
  context.lineWidth = 1.5 * devicePixelRatio / scale;
  for (const [color, path] of paths) {
    context.strokeStyle = color;
    context.stroke(path);
  }
  context.restore();
}
