// Many files for a desk: each is sent by itself, two at a time, and its row filled in as its answer comes.
// Without this file the form sends all of them at once, and the server answers the same table.

const AT_ONCE = 2;
const TRIES = 5; // after so many lost connections a person decides
const QUIET = 120000; // without any sign for so long, a connection is lost
const TOLD = 10; // files between two things said aloud
const MOST_FOUND = 500; // in folders; more is told as too many anyway

const form = document.querySelector("form[data-pile]");
const input = form.querySelector("input[type=file]");
const says = form.querySelector("[data-says]");
const all = form.querySelector("[data-all]");
const stop = form.querySelector("[data-stop]");
const results = document.querySelector("[data-results]");
const rows = document.querySelector("[data-rows]");
const counts = document.querySelector("[data-counts]");
const words = document.getElementById("pile-words").dataset;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

const jobs = []; // in the order of the table
let running = 0;
let timer;
let taken = true; // printed or taken along as a spreadsheet since the last answer

// ------------------------------------------------------------------------------------------------ the table

const cell = (row, name) => row.querySelector(`[data-cell="${name}"]`);

const named = (row, name) => {
  cell(row, "name").textContent = name;
  row.querySelector("input[name=name]").value = name;
};

const addRow = (name, before = null) => {
  const row = document.getElementById("pile-row").content.firstElementChild.cloneNode(true);
  named(row, name);
  rows.insertBefore(row, before);
  results.hidden = false;
  return row;
};

const answer = (tone, headline) => {
  const shown = document.querySelector(`template[data-tone="${tone}"]`).content.firstElementChild.cloneNode(true);
  shown.querySelector("[data-headline]").textContent = headline;
  return shown;
};

const clear = (row) => {
  for (const old of row.querySelectorAll("[data-answer], progress, button")) old.remove();
};

// A state on the way: words, and how much of the file is sent (undefined: nobody knows).
const state = (job, text, part) => {
  let bar = job.row.querySelector("progress");
  if (!bar) {
    clear(job.row);
    bar = document.createElement("progress");
    bar.setAttribute("aria-label", job.file.name);
    cell(job.row, "answer").prepend(bar);
  }
  if (part === undefined) bar.removeAttribute("value");
  else bar.value = part;
  cell(job.row, "checked").textContent = text;
};

const show = (row, line) => {
  taken = false;
  clear(row);
  cell(row, "answer").prepend(answer(line.tone, line.headline));
  for (const name of ["checked", "school", "pupil", "version", "at"]) cell(row, name).textContent = line[name] || "";
  row.querySelector("input[name=number]").value = line.number || "";
  cell(row, "number").replaceChildren();
  if (line.number) {
    const way = document.createElement("a");
    way.className = "code";
    way.target = "_blank"; // the table is only here
    way.href = line.path;
    way.textContent = line.number_shown;
    cell(row, "number").append(way);
  }
  if (line.at) {
    const at = document.querySelector("[data-at]");
    at.textContent = fill(at.dataset.text, { time: line.at });
  }
};

const unchecked = (job, why) => {
  job.over = true;
  show(job.row, { tone: "unfinished", headline: words.unchecked, checked: why });
};

// What needs a look comes first, as on the page without a script.
const count = () => {
  const found = new Map();
  for (const one of rows.querySelectorAll("[data-answer]")) {
    const headline = one.querySelector("[data-headline]").textContent;
    const key = `${one.dataset.answer} ${headline}`;
    const known = found.get(key) || { tone: one.dataset.answer, headline, number: 0 };
    known.number += 1;
    found.set(key, known);
  }
  const order = ["bad", "warn", "unfinished", "info", "ok"];
  const sorted = [...found.values()].sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
  counts.replaceChildren(
    ...sorted.map((each) => {
      const line = document.createElement("li");
      const number = document.createElement("span");
      number.dataset.count = "";
      number.textContent = each.number;
      line.append(answer(each.tone, each.headline), " ", number);
      return line;
    }),
  );
};

// Aloud now and then, to the eye always.
const tell = (text) => {
  says.textContent = text;
};
const progress = () => {
  const done = jobs.filter((job) => job.over).length;
  const left = jobs.length - done;
  all.hidden = stop.hidden = !left;
  says.classList.toggle("working", left > 0);
  all.max = jobs.length;
  all.value = done;
  count();
  if (!left) tell(fill(words.done, { all: jobs.length }));
  else if (done && done % TOLD === 0) tell(fill(words.progress, { done, all: jobs.length }));
};

// -------------------------------------------------------------------------------------------------- sending

const later = (job, seconds, text) => {
  job.notBefore = Date.now() + seconds * 1000;
  job.sent = false;
  state(job, fill(text, { seconds }), 0);
};

const lost = (job) => {
  job.lost += 1;
  if (job.lost < TRIES) later(job, 2 ** job.lost, words.lost);
  else fail(job, words.gone);
};

// Not answered, and not to be tried again by itself: the person may.
const fail = (job, why) => {
  unchecked(job, why);
  const again = document.createElement("button");
  again.type = "button";
  again.className = "second noprint";
  again.textContent = words.again;
  again.addEventListener("click", () => {
    Object.assign(job, { over: false, sent: false, lost: 0, notBefore: 0 });
    cell(job.row, "name").tabIndex = -1;
    cell(job.row, "name").focus();
    state(job, words.waiting, 0);
    progress();
    pump();
  });
  cell(job.row, "answer").append(again);
};

const read = (request) => {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return null;
  }
};

const settle = (job, request) => {
  const said = read(request);
  if (request.status === 429 || request.status === 503) {
    const seconds = Math.max(1, Number(said?.retry_after || request.getResponseHeader("Retry-After")) || 30);
    later(job, seconds, words.busy);
  } else if (request.status === 200 && said) {
    job.lost = 0;
    take(job, said);
  } else if (request.status >= 400 && request.status < 500 && said) {
    unchecked(job, (said.errors || []).map((error) => error.detail).join(" ") || said.detail);
  } else {
    fail(job, said?.detail || words.fault);
  }
};

// One file has one line; a ZIP has one for each file in it, and may need several questions.
const take = (job, said) => {
  job.skip += said.rows.length;
  if (said.documents === 1 && said.rows.length === 1) {
    named(job.row, said.rows[0].name);
    show(job.row, said.rows[0]);
    job.over = true;
    return;
  }
  for (const line of said.rows) show(addRow(line.name, job.row), line);
  if (said.retry_after) {
    job.notBefore = Date.now() + said.retry_after * 1000;
    job.sent = false;
    state(job, fill(words.inside, { done: job.skip, all: said.documents }), job.skip / said.documents);
  } else {
    job.over = true;
    job.row.remove();
  }
};

const send = (job) => {
  const request = new XMLHttpRequest();
  const body = new FormData();
  body.append("skip", job.skip);
  body.append("file", job.file, job.file.name);
  let watch;
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => request.abort(), QUIET);
  };
  const end = (what) => {
    clearTimeout(watch);
    running -= 1;
    job.request = null;
    try {
      if (!job.over) what();
    } catch {
      fail(job, words.fault); // no answer of ours: a proxy's, perhaps
    }
    progress();
    pump();
  };
  request.upload.addEventListener("progress", (event) => {
    alive();
    if (event.lengthComputable && !job.skip) state(job, words.sending, event.loaded / event.total);
  });
  request.upload.addEventListener("load", () => job.skip || state(job, words.checking));
  request.addEventListener("load", () => end(() => settle(job, request)));
  request.addEventListener("error", () => end(() => lost(job)));
  request.addEventListener("abort", () => end(() => lost(job)));
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.send(body);
  running += 1;
  job.sent = true;
  job.request = request;
  if (!job.skip) state(job, words.sending, 0);
  alive();
};

const pump = () => {
  clearTimeout(timer);
  const now = Date.now();
  const open = jobs.filter((job) => !job.over && !job.sent);
  for (const job of open) if (running < AT_ONCE && job.notBefore <= now) send(job);
  const waiting = jobs.filter((job) => !job.over && !job.sent && job.notBefore > now);
  if (waiting.length) timer = setTimeout(pump, Math.min(...waiting.map((job) => job.notBefore)) - now + 20);
};

addEventListener("online", () => {
  for (const job of jobs) if (job.lost && !job.sent) job.notBefore = 0;
  pump();
});

// ----------------------------------------------------------------------------------------------- what comes in

const wrong = (text) => {
  document.getElementById("file-error")?.remove();
  input.closest(".field").classList.toggle("wrong", Boolean(text));
  input.setAttribute("aria-describedby", text ? "file-hint file-error" : "file-hint");
  if (!text) {
    input.removeAttribute("aria-invalid");
    return;
  }
  const mistake = document.createElement("p");
  mistake.className = "mistake";
  mistake.id = "file-error";
  mistake.textContent = text;
  input.before(mistake);
  input.setAttribute("aria-invalid", "true");
  input.focus();
};

const begin = (files) => {
  const most = Number(form.dataset.most);
  if (!files.length) return wrong(words.none);
  if (files.length > most) return wrong(fill(words.many, { count: files.length, most }));
  wrong("");
  // A table that is complete makes room; one that is still being filled grows.
  if (jobs.every((job) => job.over)) {
    jobs.length = 0;
    rows.replaceChildren();
  }
  for (const file of files) {
    const job = { file, row: addRow(file.name), over: false, sent: false, lost: 0, skip: 0, notBefore: 0 };
    const limit = Number(/\.zip$/i.test(file.name) ? form.dataset.archiveMb : form.dataset.mb);
    jobs.push(job);
    if (file.size > limit * 1024 * 1024) unchecked(job, fill(words.large, { limit }));
    else state(job, words.waiting, 0);
  }
  tell(fill(words.begun, { all: jobs.length }));
  progress();
  pump();
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin([...input.files]);
  input.value = "";
});

stop.addEventListener("click", () => {
  const done = jobs.filter((job) => job.over).length;
  for (const job of jobs.filter((each) => !each.over)) {
    fail(job, words.stopped);
    job.request?.abort();
  }
  progress();
  tell(fill(words.halted, { done, all: jobs.length }));
  form.querySelector("button").focus();
});

// Folders are looked through; what a browser cannot look into comes as it is.
const inside = async (entry, found) => {
  if (found.length > MOST_FOUND) return;
  if (entry.isFile) found.push(await new Promise((yes, no) => entry.file(yes, no)));
  if (!entry.isDirectory) return;
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!some.length || found.length > MOST_FOUND) return;
    for (const each of some) await inside(each, found);
  }
};

const carried = async (data) => {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...data.files];
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = [];
  try {
    for (const entry of entries) await inside(entry, found);
  } catch {
    return plain;
  }
  return found;
};

const brings = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!brings(event)) return;
  event.preventDefault();
  form.classList.add("over");
});
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, () => form.classList.remove("over"));
}
document.addEventListener("drop", async (event) => {
  if (!brings(event)) return;
  event.preventDefault();
  begin(await carried(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  if (files.length) begin(files);
});

// Another page, also this one in the other language, begins with an empty table.
addEventListener("beforeunload", (event) => {
  if (!taken || jobs.some((job) => !job.over)) event.preventDefault();
});
addEventListener("beforeprint", () => (taken = true));
document.getElementById("pile-sheet").addEventListener("submit", () => (taken = true));

const print = document.querySelector("[data-print]");
if (window.print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
for (const each of form.querySelectorAll("[data-script]")) each.hidden = false;
