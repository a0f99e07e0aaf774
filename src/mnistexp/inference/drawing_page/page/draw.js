"use strict";

// Side of the image that is sent to the server, in pixels, whatever the size on the screen.
const IMAGE_SIDE = 280;
// Width of the pen relative to the side of the canvas; strokes are as thick as MNIST's.
const PEN_WIDTH = 0.055;
// More classes than this are not listed in their order; the most probable ones are.
const MAX_ROWS = 10;
// Longer names of classes are written smaller.
const MAX_LARGE = 4;

const { noun, size } = document.body.dataset;
const classNames = JSON.parse(document.body.dataset.classNames);

const canvas = document.getElementById("canvas");
const buttons = { undo: document.getElementById("undo"), clear: document.getElementById("clear") };
const pad = new SignaturePad(canvas, { penColor: "#000", backgroundColor: "#fff", throttle: 0 });
const rows = makeRows(document.getElementById("probabilities"));

function makeRows(list) {
  const longest = Math.max(...classNames.map((name) => name.length));
  list.style.setProperty("--name-width", `${Math.min(longest, 14)}ch`);
  return Array.from({ length: Math.min(classNames.length, MAX_ROWS) }, (_, index) => {
    const row = document.createElement("li");
    const parts = ["digit", "track", "percentage"].map((name) => {
      const part = document.createElement("span");
      part.className = name;
      row.append(part);
      return part;
    });
    const bar = document.createElement("div");
    bar.className = "bar";
    parts[0].textContent = classNames.length > MAX_ROWS ? "" : classNames[index];
    parts[1].append(bar);
    list.append(row);
    return { row, name: parts[0], bar, percentage: parts[2] };
  });
}

// Fit the canvas to the page and scale the strokes, for example when a telephone is rotated.
function fitCanvas() {
  const before = canvas.clientWidth && canvas.dataset.side ? Number(canvas.dataset.side) : 0;
  const side = canvas.clientWidth;
  const density = Math.max(window.devicePixelRatio || 1, 1);
  const strokes = pad.toData();
  canvas.width = canvas.height = side * density;
  canvas.getContext("2d").scale(density, density);
  pad.minWidth = pad.maxWidth = (PEN_WIDTH * side) / 2;
  pad.dotSize = (PEN_WIDTH * side) / 2;
  const factor = before ? side / before : 1;
  pad.clear();
  pad.fromData(strokes.map((stroke) => scaled(stroke, factor)));
  canvas.dataset.side = side;
}

function scaled(stroke, factor) {
  const points = stroke.points.map((p) => ({ ...p, x: p.x * factor, y: p.y * factor }));
  const { minWidth, maxWidth } = pad;
  return { ...stroke, points, minWidth, maxWidth, dotSize: pad.dotSize };
}

// Send one request at a time; if the drawing has changed meanwhile, send another afterwards.
let waiting = false;
let changed = false;
async function update() {
  changed = true;
  if (waiting) return;
  waiting = true;
  try {
    while (changed) {
      changed = false;
      show(isBlank() ? null : await predict());
    }
  } catch (error) {
    showPrediction("–", `No prediction: ${error.message}. Is the server still running?`);
  } finally {
    waiting = false;
  }
}

// The stroke that is being drawn is not in `toData` until it ends.
let drawing = false;
function isBlank() {
  return !drawing && pad.toData().length === 0;
}

async function predict() {
  const copy = document.createElement("canvas");
  copy.width = copy.height = IMAGE_SIDE;
  copy.getContext("2d").drawImage(canvas, 0, 0, IMAGE_SIDE, IMAGE_SIDE);
  const blob = await new Promise((done) => copy.toBlob(done, "image/png"));
  const response = await fetch("/predict", { method: "POST", body: blob });
  const result = await response.json();
  if (!response.ok) throw new Error(result.message);
  return result;
}

function show(result) {
  buttons.undo.disabled = buttons.clear.disabled = isBlank();
  const objects = result ? result.objects : [];
  showInputs(objects);
  // The bars are those of the first object that the model recognizes.
  const index = objects.findIndex((object) => object.is_recognized);
  const shown = index < 0 ? null : objects[index].probabilities;
  const highest = shown ? Math.max(...shown) : null;
  const order = rowOrder(shown);
  rows.forEach(({ row, name, bar, percentage }, position) => {
    const p = shown ? shown[order[position]] : 0;
    name.textContent = order ? classNames[order[position]] : "";
    bar.style.transform = `scaleX(${p})`;
    percentage.textContent = shown ? percent(p) : "";
    row.classList.toggle("highest", p === highest);
  });
  document.getElementById("bars").textContent = describeBars(objects.length, index);
  if (!result) showPrediction("–", "Draw with mouse, pen or finger.");
  else if (["digit", "image"].includes(result.status)) showPrediction(best(shown), `${percent(highest)} sure`);
  else if (result.status === "several digits") showPrediction(objects.map(symbol).join(""), `${keepTogether(result.text)}.`);
  else if (objects.length === 1) showPrediction("?", `This ${result.text}.`);
  else showPrediction(objects.length ? "?" : "–", `${result.text[0].toUpperCase()}${result.text.slice(1)}.`);
}

// The classes of the rows: in their order, or the most probable ones; null if none are known yet.
function rowOrder(probabilities) {
  const all = classNames.map((_, index) => index);
  if (all.length <= MAX_ROWS) return all;
  if (!probabilities) return null;
  return all.sort((one, other) => probabilities[other] - probabilities[one]).slice(0, MAX_ROWS);
}

// Which drawn digit the bars belong to, or why they are empty.
function describeBars(count, index) {
  if (!count) return "";
  if (index < 0) return `No probabilities, since it does not look like a ${noun === "digit" ? noun : "training image"}.`;
  return count > 1 ? `Probabilities of digit ${index + 1} of ${count}, from the left` : "Probabilities";
}

// Do not break a line within "7 (98.2 %)".
function keepTogether(text) {
  return text.replace(/\d \((over )?[\d.]+ %\)/g, (part) => part.replaceAll(" ", "\u00a0"));
}

function showInputs(objects) {
  const inputs = document.getElementById("inputs");
  inputs.replaceChildren(...objects.map(({ image }) => {
    const picture = document.createElement("img");
    picture.src = image;
    picture.alt = `The input of the model, ${size} pixels`;
    return picture;
  }));
  document.getElementById("input").hidden = !objects.length;
}

// Probabilities below 0.1 % are not listed, and none is rounded to 100 %.
function percent(p) {
  if (p < 0.001) return "";
  const rounded = (100 * p).toFixed(1);
  return rounded === "100.0" ? "over 99.9 %" : `${rounded} %`;
}

function best(probabilities) {
  return classNames[probabilities.indexOf(Math.max(...probabilities))];
}

function symbol({ probabilities, is_recognized: isRecognized }) {
  return isRecognized ? best(probabilities) : "?";
}

function showPrediction(name, message) {
  const output = document.getElementById("digit");
  output.textContent = name;
  output.classList.toggle("long", noun !== "digit" && name.length > MAX_LARGE);
  document.getElementById("message").textContent = message;
}

pad.addEventListener("beginStroke", () => { drawing = true; });
pad.addEventListener("afterUpdateStroke", update);
pad.addEventListener("endStroke", () => { drawing = false; update(); });
buttons.clear.addEventListener("click", () => { pad.clear(); update(); });
buttons.undo.addEventListener("click", () => { pad.fromData(pad.toData().slice(0, -1)); update(); });
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isBlank()) buttons.undo.click();
});
window.addEventListener("resize", fitCanvas);
fitCanvas();
show(null);
