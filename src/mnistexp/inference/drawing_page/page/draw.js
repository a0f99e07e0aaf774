"use strict";

// A drawing has this many pixels a side on the server, however large it is shown.
const SIDE = 280;
// As thick as MNIST's strokes: a good tenth of the digit.
const PEN = 0.055;

const sheet = document.getElementById("sheet");
const buttons = { undo: document.getElementById("undo"), clear: document.getElementById("clear") };
const pad = new SignaturePad(sheet, { penColor: "#000", backgroundColor: "#fff", throttle: 0 });
const rows = makeRows(document.getElementById("probabilities"));

function makeRows(list) {
  return Array.from({ length: 10 }, (_, digit) => {
    const row = document.createElement("li");
    const parts = ["name", "track", "share"].map((name) => {
      const part = document.createElement("span");
      part.className = name;
      row.append(part);
      return part;
    });
    const bar = document.createElement("div");
    bar.className = "bar";
    parts[0].textContent = digit;
    parts[1].append(bar);
    list.append(row);
    return { row, bar, share: parts[2] };
  });
}

// The strokes are kept in parts of the side, so that they survive a turned telephone.
function fitSheet() {
  const before = sheet.clientWidth && sheet.dataset.side ? Number(sheet.dataset.side) : 0;
  const side = sheet.clientWidth;
  const density = Math.max(window.devicePixelRatio || 1, 1);
  const strokes = pad.toData();
  sheet.width = sheet.height = side * density;
  sheet.getContext("2d").scale(density, density);
  pad.minWidth = pad.maxWidth = (PEN * side) / 2;
  pad.dotSize = (PEN * side) / 2;
  const factor = before ? side / before : 1;
  pad.clear();
  pad.fromData(strokes.map((stroke) => scaled(stroke, factor)));
  sheet.dataset.side = side;
}

function scaled(stroke, factor) {
  const points = stroke.points.map((p) => ({ ...p, x: p.x * factor, y: p.y * factor }));
  const { minWidth, maxWidth } = pad;
  return { ...stroke, points, minWidth, maxWidth, dotSize: pad.dotSize };
}

// One question at a time; what was drawn meanwhile is asked next.
let asking = false;
let changed = false;
async function ask() {
  changed = true;
  if (asking) return;
  asking = true;
  try {
    while (changed) {
      changed = false;
      show(isBlank() ? null : await answer());
    }
  } catch (error) {
    tell("–", `No answer: ${error.message}. Is the server still running?`);
  } finally {
    asking = false;
  }
}

// The stroke that is being drawn is not in `toData` until it ends.
let drawing = false;
function isBlank() {
  return !drawing && pad.toData().length === 0;
}

async function answer() {
  const copy = document.createElement("canvas");
  copy.width = copy.height = SIDE;
  copy.getContext("2d").drawImage(sheet, 0, 0, SIDE, SIDE);
  const blob = await new Promise((done) => copy.toBlob(done, "image/png"));
  const response = await fetch("/predict", { method: "POST", body: blob });
  const result = await response.json();
  if (!response.ok) throw new Error(result.message);
  return result;
}

function show(result) {
  buttons.undo.disabled = buttons.clear.disabled = isBlank();
  const seen = document.getElementById("seen");
  seen.hidden = !result || !result.image;
  if (!seen.hidden) seen.src = result.image;
  const shares = result && result.probabilities.length ? result.probabilities : null;
  const most = shares ? Math.max(...shares) : 2;
  rows.forEach(({ row, bar, share }, digit) => {
    const p = shares ? shares[digit] : 0;
    bar.style.transform = `scaleX(${p})`;
    share.textContent = shares ? `${(100 * p).toFixed(1)} %` : "";
    row.classList.toggle("likeliest", p === most);
  });
  if (!result) tell("–", "Draw with mouse, pen or finger.");
  else if (!shares) tell("–", "No digit found.");
  else if (result.status === "digit") tell(shares.indexOf(most), `${(100 * most).toFixed(1)} % sure`);
  else tell("?", "This does not look like a digit.");
}

function tell(digit, verdict) {
  document.getElementById("digit").textContent = digit;
  document.getElementById("verdict").textContent = verdict;
}

pad.addEventListener("beginStroke", () => { drawing = true; });
pad.addEventListener("afterUpdateStroke", ask);
pad.addEventListener("endStroke", () => { drawing = false; ask(); });
buttons.clear.addEventListener("click", () => { pad.clear(); ask(); });
buttons.undo.addEventListener("click", () => { pad.fromData(pad.toData().slice(0, -1)); ask(); });
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isBlank()) buttons.undo.click();
});
window.addEventListener("resize", fitSheet);
fitSheet();
show(null);
