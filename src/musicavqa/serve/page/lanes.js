"use strict";
// The reading as lanes over time, boxes over the picture, and a table of both. Text is only ever text.

const SVG = "http://www.w3.org/2000/svg";
const TICKS_PER_S = 10;
const LOUDNESS_PER_S = 20;
const MOST_POINTS = 1200;
const SURE = 0.5;

function make(kind, about = {}, ...children) {
  const node = document.createElement(kind);
  for (const [name, value] of Object.entries(about)) node[name] = value;
  node.append(...children);
  return node;
}

const spoken = (name) => name.replaceAll("_", " ");
const whole = (value) => String(Math.round(value) || 0).replace("-", "−");
const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const likeliest = (lane) => Object.keys(lane.instruments)[0];
const named = (lane) => lane.there * lane.instruments[likeliest(lane)];

/** Highest value of each of at most MOST_POINTS stretches: a short note of a long piece stays seen. */
function thinned(values) {
  const step = Math.ceil(values.length / MOST_POINTS);
  if (step <= 1) return values;
  const found = [];
  for (let at = 0; at < values.length; at += step) found.push(Math.max(...values.slice(at, at + step)));
  return found;
}

function drawing(path, width, className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} 1`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  line.setAttribute("class", className);
  svg.append(line);
  return svg;
}

/** A filled curve; each value holds for one step. */
function curve(values, className) {
  const points = thinned(values);
  const steps = points.map((value, at) => `L${at} ${1 - value}L${at + 1} ${1 - value}`);
  return drawing(`M0 1${steps.join("")}L${points.length} 1Z`, Math.max(1, points.length), className);
}

function row(who, small, inside, className = "") {
  const name = make("span", { className: "who" }, who);
  if (small) name.append(make("small", {}, small));
  const track = make("span", { className: "track" }, ...inside);
  return make("div", { className: `row ${className}` }, name, track);
}

function axis(duration) {
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200].find((s) => duration / s <= 6) || 3600;
  const labels = [];
  for (let at = 0; at < duration; at += step) {
    const label = make("span", {}, duration < 120 ? `${at} s` : `${Math.floor(at / 60)}:${String(at % 60).padStart(2, "0")}`);
    label.style.left = `${(100 * at) / duration}%`;
    labels.push(label);
  }
  return row("", "", labels, "axis");
}

function described(lane, isAlone) {
  const parts = [];
  if (lane.sounds < 0.2) parts.push("silent");
  else {
    parts.push(`sounds ${percent(lane.sounds)}`);
    if (lane.level_db !== null && !isAlone) parts.push(`${whole(lane.level_db)}\u00a0dB`);
  }
  return parts.join(", ");
}

/** Fill the rows of lanes; gives the tracks that a playhead moves over. */
function showLanes(rows, result, duration) {
  rows.replaceChildren();
  const lanes = result.document.reading.lanes;
  for (const lane of lanes) {
    const small = `${lane.place}; ${described(lane, lanes.length === 1)}`;
    rows.append(row(spoken(likeliest(lane)), small, [curve(lane.sure, "sure")]));
  }
  const loudness = result.loudness || [];
  const loudest = Math.max(0.001, ...thinned(loudness));
  if (loudness.length) {
    rows.append(row("loudness", "of everything", [curve(loudness.map((x) => x / loudest), "loud")]));
  }
  const beats = (result.document.music && result.document.music.beats_s) || [];
  if (beats.length) {
    const lines = beats.map((at) => `M${at} 0V1`).join("");
    rows.append(row("beats", "", [drawing(lines, duration, "beat")]));
  }
  rows.append(axis(duration));
  return [...rows.querySelectorAll(".row:not(.axis) .track")];
}

/** A box for each performer in the picture; gives a function that is told the time. */
function showBoxes(place, lanes) {
  place.replaceChildren();
  const shown = lanes.filter((lane) => lane.box).map((lane, number) => {
    const box = make("div", { className: "box" }, make("span", {}, `${spoken(likeliest(lane))}${named(lane) < SURE ? "?" : ""}`));
    placeBox(box, lane.box);
    // names of neighbours on two lines, where there is room above the box
    box.classList.toggle("raised", number % 2 === 1 && lane.box[1] > 0.1);
    place.append(box);
    return [box, lane];
  });
  return (at) => {
    for (const [box, lane] of shown) {
      const tick = Math.min(lane.sure.length - 1, Math.floor(at * TICKS_PER_S));
      box.classList.toggle("sounds", lane.sure[tick] >= SURE);
    }
  };
}

function placeBox(box, [left, top, right, bottom]) {
  box.style.left = `${100 * left}%`;
  box.style.top = `${100 * top}%`;
  box.style.width = `${100 * (right - left)}%`;
  box.style.height = `${100 * (bottom - top)}%`;
}

function showTable(table, lanes) {
  const number = (value, digits, unit) => (value === null ? "" : `${value.toFixed(digits)}${unit}`);
  const head = ["instrument", "place", "there", "sounds", "enters", "plays", "level", "notes a second"];
  const body = lanes.map((lane) => [
    spoken(likeliest(lane)), lane.place, percent(lane.there), percent(lane.sounds), number(lane.enters_s, 1, " s"),
    number(lane.playing_s, 1, " s"), lane.level_db === null ? "" : `${whole(lane.level_db)} dB`, number(lane.onset_rate, 1, ""),
  ]);
  const line = (cells, kind) => make("tr", {}, ...cells.map((text) => make(kind, {}, text)));
  table.replaceChildren(make("thead", {}, line(head, "th")), make("tbody", {}, ...body.map((x) => line(x, "td"))));
}

function musicLine(music) {
  if (!music) return "";
  if (music.left_out) return `Tempo, beats and key are left out: ${music.left_out}.`;
  const parts = [music.key || "no sure key"];
  parts.push(music.tempo_bpm === null ? "no sure tempo" : `${Math.round(music.tempo_bpm)} beats a minute`);
  if (!music.beats_s.length) parts.push("no sure beats");
  return parts.join(", ");
}
