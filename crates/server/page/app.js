// What the page shows, asked each second. It computes rates and who is out of range now; it changes nothing.
"use strict";

const EVERY_MS = 1000; // between two questions
const STALE_MS = 5000; // after a longer break what the page knew is forgotten
const OVER_AFTER_MS = 5000; // someone without a finding for this long is back in range or has moved
const RATE_OVER = 5; // seconds that a shown rate is the mean of
const SPARK = 60; // seconds of a small curve
const FINDINGS_MAX = 1000; // what the server keeps
const PEOPLE_MAX = 200; // shown at most
const ANSWERS_MAX = 25; // rows of the table of other pipelines

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const brief = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

const samples = []; // { seconds, in, out }, the last SPARK + 1
const people = new Map(); // by user: { finding, since_ms, time_ms, seen_ms }
let asked_ms = -Infinity;

const say = (id, text) => {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
};

const duration = (seconds) => {
  const s = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
};

const make = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};

const draw = (tag, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

// ---- numbers

const rate = (field) => {
  const last = samples.at(-1);
  const first = samples.at(-1 - Math.min(RATE_OVER, samples.length - 1));
  const seconds = last ? last.seconds - first.seconds : 0;
  return seconds > 0 ? (last[field] - first[field]) / seconds : undefined;
};

const showRate = (name, field) => {
  const mean = rate(field);
  say(`rate-${name}`, mean === undefined ? "–" : mean < 10 ? brief.format(mean) : whole.format(mean));
  const rates = samples.slice(1).map((sample, at) => {
    const seconds = sample.seconds - samples[at].seconds;
    return seconds > 0 ? (sample[field] - samples[at][field]) / seconds : 0;
  });
  const most = Math.max(1, ...rates);
  const left = SPARK - rates.length;
  const points = rates.map((value, at) => `${left + at + 1},${(19 - (17 * value) / most).toFixed(2)}`);
  const spark = byId(`spark-${name}`);
  if (points.length < 2) return spark.replaceChildren();
  const area = [`${left + 1},20`, ...points, `${SPARK},20`].join(" ");
  spark.replaceChildren(draw("polygon", { points: area }), draw("polyline", { points: points.join(" ") }));
};

const showStatus = (status) => {
  const { totals, tasks } = status;
  const last = samples.at(-1);
  // Another process answers now, with numbers of its own.
  if (last && status.uptime_seconds < last.seconds) samples.length = 0;
  samples.push({ seconds: status.uptime_seconds, in: totals.records_in, out: totals.rows_out });
  if (samples.length > SPARK + 1) samples.shift();

  say("pipeline", `${status.pipeline}, up for ${duration(status.uptime_seconds)}`);
  say("version", `HeartWatch ${status.version}`);
  showState(status.running ? "running" : "not running", status.running ? "good" : "bad", status.reason ?? "");
  showRate("in", "in");
  showRate("out", "out");
  say("total-in", `${whole.format(totals.records_in)} so far, of ${whole.format(totals.keys)} people`);
  say("total-out", `${whole.format(totals.rows_out)} so far`);
  const cards = { lag: totals.lag, waiting: totals.waiting, late: totals.late, dead: totals.dead_letters };
  for (const [id, number] of Object.entries(cards)) say(id, whole.format(number));
  // Watches are late every day; what is not valid at all deserves a look.
  byId("dead").closest(".card").classList.toggle("alert", totals.dead_letters > totals.late);
  say("tasks-count", String(tasks.length));
  showTasks(tasks);
};

const showState = (text, kind, title) => {
  say("state", text);
  byId("state").className = `state ${kind}`;
  byId("state").title = title;
};

const TASK_COLUMNS = [
  ["job", (task) => String(task.job)],
  ["topic", (task) => task.topic, "text"],
  ["partition", (task) => String(task.partition)],
  ["clock (UTC)", (task) => (task.clock_ms === null ? "–" : new Date(task.clock_ms).toISOString().slice(0, 19).replace("T", " "))],
  ["in", (task) => whole.format(task.records_in)],
  ["out", (task) => whole.format(task.rows_out)],
  ["lag", (task) => whole.format(task.lag)],
  ["waiting", (task) => whole.format(task.waiting)],
  ["late", (task) => whole.format(task.late)],
  ["dead letters", (task) => whole.format(task.dead_letters)],
  ["unmatched", (task) => whole.format(task.unmatched)],
  ["windows cut", (task) => whole.format(task.cut_windows)],
  ["keys", (task) => whole.format(task.keys)],
  ["state", (task) => `${brief.format(task.state_bytes / 1024)} KiB`],
];

const showTable = (table, columns, rows) => {
  const head = make("tr");
  for (const [name, , kind] of columns) head.append(make("th", kind, name));
  const body = rows.map((row) => {
    const line = make("tr");
    for (const [, cell, kind] of columns) line.append(make("td", kind, cell(row)));
    return line;
  });
  const [top, rest] = [make("thead"), make("tbody")];
  top.append(head);
  rest.append(...body);
  table.replaceChildren(top, rest);
};

const showTasks = (tasks) => showTable(byId("tasks"), TASK_COLUMNS, tasks);

// ---- who is out of range

// The answer of a tumbling window stands for its end.
const timeOf = (finding) => Date.parse(finding.time ?? finding.window_end);

// After this long without another one it does not hold any more; a tumbling window has one answer, at its end.
const overAfter = (finding) => OVER_AFTER_MS + (Date.parse(finding.window_end) - Date.parse(finding.window_start) || 0);

const isAboutRange = (finding) =>
  Number.isFinite(timeOf(finding)) &&
  ["avg_heart_rate", "min_heart_rate", "max_heart_rate"].every((name) => Number.isFinite(finding[name]));

// Findings come newest first. One counts when it is new to the page; after a break only those of the last seconds do.
const takeFindings = (findings, now_ms) => {
  const about = findings.filter(isAboutRange).reverse();
  const newest_ms = Math.max(...about.map(timeOf));
  const is_first = now_ms - asked_ms > STALE_MS;
  if (is_first) people.clear();
  const runs = new Map(); // after a break: when the findings of someone began to follow each other
  for (const finding of about) {
    const user = String(finding.user_id ?? finding.key);
    const time_ms = timeOf(finding);
    const known = people.get(user) ?? runs.get(user);
    if (known && time_ms <= known.time_ms) continue;
    const goes_on = known && time_ms - known.time_ms <= overAfter(finding);
    const person = { finding, since_ms: goes_on ? known.since_ms : time_ms, time_ms, seen_ms: now_ms };
    const is_of_now = !is_first || time_ms >= newest_ms - overAfter(finding);
    if (is_of_now) people.set(user, person);
    else runs.set(user, person);
  }
  for (const [user, person] of people) {
    if (now_ms - person.seen_ms > overAfter(person.finding)) people.delete(user);
  }
  asked_ms = now_ms;
};

// The own range as a band, the mean as a dot.
const rangeBar = (mean, low, high) => {
  const [from, to] = [Math.min(mean, low) - 10, Math.max(mean, high) + 10];
  const at = (value) => `${((100 * (value - from)) / (to - from)).toFixed(2)}%`;
  const bar = draw("svg", { class: "range", role: "img", "aria-label": `own range ${low} to ${high}, mean ${Math.round(mean)}` });
  bar.append(
    draw("rect", { class: "track", x: 0, y: 4, width: "100%", height: 8, rx: 4 }),
    draw("rect", { class: "band", x: at(low), y: 4, width: `${((100 * (high - low)) / (to - from)).toFixed(2)}%`, height: 8, rx: 4 }),
    draw("circle", { class: "dot", cx: at(mean), cy: 8, r: 6 }),
    draw("text", { x: at(low), y: 25, "text-anchor": "middle" }, String(low)),
    draw("text", { x: at(high), y: 25, "text-anchor": "middle" }, String(high)),
  );
  return bar;
};

const personItem = (user, person) => {
  const { avg_heart_rate: mean, min_heart_rate: low, max_heart_rate: high, moved_metres: moved } = person.finding;
  const is_below = mean < low;
  const item = make("li", is_below ? "person below" : "person");
  const number = make("p", "mean");
  number.append(make("b", "", whole.format(mean)), make("span", "quiet", "beats/min"));
  const who = make("p", "who");
  const far = is_below ? low - mean : mean - high;
  const by = `${(far < 10 ? brief : whole).format(far)} ${is_below ? "below" : "above"}`;
  const still = Number.isFinite(moved) ? `, moved ${brief.format(moved)}\u00a0m` : "";
  const held = duration((person.time_ms - person.since_ms) / 1000);
  who.append(make("span", "name", `user ${user}`), make("span", "quiet", `${by} for ${held}${still}`));
  item.append(number, who, rangeBar(mean, low, high));
  return item;
};

const showPeople = (answers) => {
  const listed = [...people].sort((a, b) => a[1].since_ms - b[1].since_ms);
  say("people-count", whole.format(people.size));
  const shown = listed.slice(0, PEOPLE_MAX);
  byId("people").replaceChildren(...shown.map(([user, person]) => personItem(user, person)));
  const hidden = listed.length - shown.length;
  if (hidden > 0) say("people-note", `Earliest first; ${whole.format(hidden)} more are not shown.`);
  else if (listed.length > 0) say("people-note", "Earliest first; the green band is everyone's own range.");
  else say("people-note", answers > 0 ? "Nobody at the moment." : "Nobody so far.");
};

// Answers of a pipeline that asks something else: as they come.
const showAnswers = (findings) => {
  const names = [...new Set(findings.flatMap(Object.keys))];
  const kind = (name) => (findings.some((finding) => typeof finding[name] === "number") ? "" : "text");
  const cell = (name) => (row) => {
    const value = row[name];
    if (value === undefined || value === null) return "–";
    return typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? brief.format(value) : String(value);
  };
  showTable(byId("answers"), names.map((name) => [name, cell(name), kind(name)]), findings.slice(0, ANSWERS_MAX));
};

const showFindings = (findings, answers) => {
  const now_ms = performance.now();
  takeFindings(findings, now_ms);
  const others = findings.filter((finding) => !isAboutRange(finding));
  const is_other = others.length > 0 && others.length === findings.length;
  byId("people-section").hidden = is_other;
  byId("answers-section").hidden = !is_other;
  if (is_other) showAnswers(others);
  else showPeople(answers);
};

// ---- asking

const ask = async (path) => {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5 * EVERY_MS) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
};

const showGraph = async () => {
  const { text } = await ask("/api/pipeline");
  say("graph", text.trimEnd());
};

const round = async () => {
  try {
    const status = await ask("/api/status");
    showStatus(status);
    if (byId("graph").textContent === "") await showGraph();
    // Enough for three seconds, all that is kept the first time.
    const is_first = performance.now() - asked_ms > STALE_MS;
    const wanted = is_first ? FINDINGS_MAX : Math.min(FINDINGS_MAX, Math.max(100, Math.ceil(3 * (rate("out") ?? 0))));
    const { findings } = await ask(`/api/findings?limit=${wanted}`);
    showFindings(findings, status.totals.rows_out);
  } catch (error) {
    showState("no answer", "bad", String(error));
  }
  setTimeout(round, EVERY_MS);
};

round();
