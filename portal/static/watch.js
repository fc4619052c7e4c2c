// What a family lets somebody see is on this page: it asks every few seconds whether that still stands
// (SEC-19). At a no the content leaves the page; without an answer it is hidden until there is one.

const EVERY = 5000; // between two questions
const PATIENCE = 15000; // since the last yes: then the content is hidden

const says = document.getElementById("watch");
const shown = document.getElementById("shown");
const { address, token, opening, over, unknown } = says.dataset;
const question = () => new URLSearchParams({ form_token: token, opening });
let lastYes = Date.now();
let ended = false;

const tell = (text) => {
  says.textContent = text;
  says.hidden = !text;
};

const settle = (stands) => {
  if (ended) return;
  if (stands === true) {
    lastYes = Date.now();
    shown.hidden = false;
    tell("");
  } else if (stands === false) {
    ended = true;
    shown.remove();
    tell(over);
  } else if (Date.now() - lastYes > PATIENCE) {
    shown.hidden = true;
    tell(unknown);
  }
};

// A page that may not even ask (signed out, another session) is over as well; any other trouble is no answer.
const read = (status, text) => {
  if (status === 401 || status === 403) return false;
  if (status !== 200) return null;
  try {
    return JSON.parse(text).stands;
  } catch {
    return null;
  }
};

const ask = async () => {
  if (ended) return;
  let stands = null;
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), EVERY - 500);
  try {
    const answer = await fetch(address, { method: "POST", body: question(), signal: giveUp.signal });
    stands = read(answer.status, await answer.text());
  } catch {
    // no network: no answer
  }
  clearTimeout(timer);
  settle(stands);
};

// Before paper the page waits for the answer: what was withdrawn a second ago is not printed.
const askNow = () => {
  if (ended) return;
  const request = new XMLHttpRequest();
  let stands = null;
  try {
    request.open("POST", address, false);
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.send(question().toString());
    stands = read(request.status, request.responseText);
  } catch {
    // no network: no answer, and no print
  }
  settle(stands);
  if (stands === null) {
    shown.hidden = true;
    tell(unknown);
  }
};

setInterval(ask, EVERY);
setInterval(() => settle(null), 1000);
addEventListener("beforeprint", askNow);
addEventListener("afterprint", ask);
addEventListener("pageshow", (event) => event.persisted && askNow());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    settle(null);
    ask();
  }
});
