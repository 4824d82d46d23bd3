"use strict";
// One performance at a time: sent, waited for, shown, asked. The server knows it by a secret key.

const POLL_MS = 400;
const MOST_AREA = 0.8;
const LEAST_TOLD = 0.005; // of a runner-up: less is 0 %
const at = (id) => document.getElementById(id);
let clip = null; // { key, url, duration, tracks, mark, example }
let turn = 0; // of the latest file; what comes of an earlier one is not shown

async function request(address, options = {}) {
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  const told = await answer.json();
  if (told.error) throw new Error(told.error.message);
  return told;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const isMine = (mine) => mine === turn;

function say(text, done = null, of = null) {
  at("progress").hidden = !text;
  at("status").textContent = text;
  if (done !== null && of) at("bar").value = Math.min(1, done / of);
  else at("bar").removeAttribute("value");
}

function complain(text) {
  at("problem").hidden = !text;
  at("problem").textContent = text;
}

function before(n) {
  return n === 1 ? "Waiting: one request is before yours." : `Waiting: ${n} requests are before yours.`;
}

function progressOf(state) {
  if (state.ahead > 0) return before(state.ahead);
  if (state.step === "rendering") return "Rendering the example …";
  if (state.step === "music") return "Listening for tempo, beats and key …";
  const of = state.of_s ? ` of ${Math.round(state.of_s)}` : "";
  return state.done_s ? `Listened and looked: ${Math.round(state.done_s)}${of} s` : "Listening and looking …";
}

/** Send a form with how much of it went out, which fetch does not tell. */
function upload(file) {
  return new Promise((done, fail) => {
    const form = new FormData();
    form.append("file", file, file.name);
    const sending = new XMLHttpRequest();
    sending.open("POST", "/clips");
    sending.responseType = "json";
    sending.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) say("Sending …", event.loaded, event.total);
    });
    sending.addEventListener("load", () => {
      const told = sending.response;
      if (told && told.key) done(told);
      else fail(new Error(told && told.error ? told.error.message : "The upload failed."));
    });
    sending.addEventListener("error", () => fail(new Error("The upload was broken off. Is the server still there, and the file small enough?")));
    sending.send(form);
  });
}

async function open(sending, file) {
  const mine = ++turn;
  leave();
  complain("");
  at("reading").hidden = true;
  say("Sending …");
  try {
    const { key } = await sending();
    if (!isMine(mine)) return void forget(key);
    clip = { key, url: file ? URL.createObjectURL(file) : `/clips/${key}/media`, example: !file };
    const state = await finished(key, mine);
    if (isMine(mine)) show(state.result);
  } catch (error) {
    if (isMine(mine)) complain(error.message);
  }
  if (isMine(mine)) say("");
}

async function finished(key, mine) {
  for (;;) {
    const state = await request(`/clips/${key}`);
    if (state.is_done && state.result.document.error) throw new Error(state.result.document.error.message);
    if (state.is_done || !isMine(mine)) return state;
    say(progressOf(state), state.ahead ? null : state.done_s || null, state.of_s);
    await pause(POLL_MS);
  }
}

function forget(key) {
  fetch(`/clips/${key}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

function leave() {
  if (!clip) return;
  forget(clip.key);
  if (clip.url.startsWith("blob:")) URL.revokeObjectURL(clip.url);
  at("video").removeAttribute("src");
  at("answers").replaceChildren();
  clip = null;
}

function show(result) {
  const reading = result.document.reading;
  if (!reading) return complain("The method of this server makes no reading to show.");
  clip.duration = reading.duration_s;
  at("reading").hidden = false;
  at("title").textContent = result.document.file;
  at("unplayable").hidden = true;
  at("stage").hidden = false;
  at("stage").style.aspectRatio = String(result.aspect || 6);
  at("video").src = clip.url;
  at("boxes").replaceChildren();
  clip.mark = showBoxes(at("boxes"), reading.lanes);
  clip.tracks = showLanes(at("rows"), result, clip.duration);
  for (const track of clip.tracks) {
    track.append(make("span", { className: "now" }));
    track.addEventListener("click", (event) => {
      const place = track.getBoundingClientRect();
      jump((clip.duration * (event.clientX - place.left)) / place.width);
    });
  }
  at("position").max = String(clip.duration);
  showTable(at("table"), reading.lanes);
  at("music").textContent = musicLine(result.document.music);
  at("remarks").textContent = `File: ${result.document.media.line}.`;
  suggest(result.suggestions);
  move(0);
  at("question").focus({ preventScroll: true });
}

function suggest(pairs) {
  const kinds = new Map();
  for (const [kind, question] of pairs) kinds.set(kind, [...(kinds.get(kind) || []), question]);
  at("suggestions").replaceChildren();
  for (const [kind, questions] of kinds) {
    at("suggestions").append(make("h3", {}, kind), pills(questions));
  }
}

function pills(questions) {
  return make("div", { className: "pills" }, ...questions.map((text) => {
    const button = make("button", { type: "button" }, spoken(text));
    button.addEventListener("click", () => { at("question").value = spoken(text); ask(text); });
    return button;
  }));
}

function move(seconds) {
  at("clock").textContent = `${seconds.toFixed(1)} s`;
  if (document.activeElement !== at("position") || !at("video").paused) at("position").value = String(seconds);
  at("position").setAttribute("aria-valuetext", `${seconds.toFixed(1)} seconds`);
  for (const track of clip.tracks) track.querySelector(".now").style.left = `${(100 * seconds) / clip.duration}%`;
  clip.mark(seconds);
}

function jump(seconds) {
  const to = Math.max(0, Math.min(clip.duration, seconds));
  at("position").value = String(to);
  at("video").currentTime = to;
  move(to);
}

function follow() {
  if (clip && clip.tracks && !at("video").paused) move(Math.min(at("video").currentTime, clip.duration));
  requestAnimationFrame(follow);
}

async function ask(text) {
  const mine = turn;
  if (!clip || !clip.tracks) return;
  at("send").disabled = true;
  at("waiting").textContent = "Thinking …";
  const watching = setInterval(async () => {
    try {
      const { ahead } = await request(`/clips/${clip.key}`);
      if (ahead > 0 && at("send").disabled) at("waiting").textContent = before(ahead);
    } catch { clearInterval(watching); }
  }, 1000);
  try {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ questions: [text] });
    const told = await request(`/clips/${clip.key}/ask`, { method: "POST", headers, body });
    if (told.document && told.document.error) throw new Error(told.document.error.message);
    if (isMine(mine)) at("answers").prepend(card(told.replies[0], told.truths[0]));
    at("waiting").textContent = "";
  } catch (error) {
    at("waiting").textContent = error.message;
  }
  clearInterval(watching);
  at("send").disabled = false;
}

function card(reply, truth) {
  const box = make("article", { className: "answer" }, make("h3", {}, reply.question));
  if (reply.answer === null) {
    box.classList.add("declined");
    const why = reply.why ? `I cannot tell: ${reply.why}.` : "I cannot answer that. The closest questions I can:";
    box.append(make("p", {}, why));
    if (reply.suggestions.length) box.append(pills(reply.suggestions));
    return box;
  }
  if (reply.understood !== reply.question) box.append(make("p", { className: "note" }, `Understood as: ${reply.understood}${reply.rule ? " (beyond the benchmark)" : ""}`));
  if (reply.suggestions.length) box.append(make("p", { className: "note" }, "Or did you mean:"), pills(reply.suggestions));
  box.append(make("p", { className: "said" }, spoken(reply.answer)));
  if (reply.confidence !== null) {
    const hasNext = reply.runner_up !== null && reply.runner_up_confidence >= LEAST_TOLD;
    const next = !hasNext ? "" : `; ${reply.close ? "nearly as likely" : "next"}: ${spoken(reply.runner_up)} ${percent(reply.runner_up_confidence)}`;
    const meter = make("meter", { min: 0, max: 1, value: reply.confidence });
    meter.setAttribute("aria-label", "Confidence");
    box.append(make("p", { className: "sureness" }, meter, `${percent(reply.confidence)} sure${next}`));
  }
  if (truth) box.append(make("p", { className: "note" }, `The truth of this rendering: ${spoken(truth)}`));
  if (reply.facts.length) box.append(make("ul", {}, ...reply.facts.map((fact) => make("li", {}, spoken(fact)))));
  box.append(jumps(reply));
  return box;
}

function jumps(reply) {
  const place = make("div", { className: "jumps" });
  const single = ["entry", "end"].includes(reply.rule) ? parseFloat(reply.answer) : NaN;
  if (reply.when_s || !Number.isNaN(single)) {
    const [start, stop] = reply.when_s || [single, single + 1];
    const label = reply.when_s ? `▶ ${start}–${stop} s` : `▶ ${start.toFixed(1)} s`;
    const button = make("button", { type: "button" }, label);
    button.setAttribute("aria-label", `Jump to ${start} seconds and show where`);
    button.addEventListener("click", () => { point(start, stop, reply.where); jump(start); });
    place.append(button);
  }
  return place;
}

/** Mark when on the lanes, and where on the picture. */
function point(start, stop, where) {
  for (const old of document.querySelectorAll(".span, .box.where")) old.remove();
  for (const track of clip.tracks) {
    const span = make("span", { className: "span" });
    span.style.left = `${(100 * start) / clip.duration}%`;
    span.style.width = `${(100 * (stop - start)) / clip.duration}%`;
    track.append(span);
  }
  // a box around nearly everything says nothing
  if (where && (where[2] - where[0]) * (where[3] - where[1]) < MOST_AREA) {
    const box = make("div", { className: "box where" });
    placeBox(box, where);
    at("boxes").append(box);
  }
}

function listen() {
  const drop = at("drop");
  const take = (file) => file && open(() => upload(file), file);
  at("file").addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
  at("example").addEventListener("click", () => {
    const number = Math.floor(Math.random() * Number(at("example").dataset.most || 1));
    open(() => request(`/clips/example/${number}`, { method: "POST" }), null);
  });
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  document.addEventListener("dragover", () => drop.classList.add("over"));
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => { drop.classList.remove("over"); take(event.dataTransfer.files[0]); });
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(at("question").value);
    at("question").select(); // the next one is typed over it
  });
  at("position").addEventListener("input", (event) => { if (clip) jump(Number(event.target.value)); });
  at("video").addEventListener("seeked", () => { if (clip && clip.tracks) move(Math.min(at("video").currentTime, clip.duration)); });
  at("video").addEventListener("error", () => { if (clip) { at("unplayable").hidden = false; at("stage").hidden = true; } });
  window.addEventListener("pagehide", () => { if (clip) forget(clip.key); });
}

async function begin() {
  listen();
  requestAnimationFrame(follow);
  const about = await request("/about");
  at("bounds").textContent = `Up to ${Math.round(about.most_bytes / 2 ** 20)} MB; the first ${Math.round(about.most_s / 60)} minutes are read. The file is deleted as soon as it was read.`;
  at("caveat").textContent = about.caveat;
  at("version").textContent = `musicavqa ${about.version}`;
  at("example").dataset.most = about.examples;
}

begin();
