// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// Where a page says so, the browser keeps the page for when there is no network, once this one is there. In a
// block of its own, as every script of a page: an answer written into this window brings its scripts again.
{
  const worker = document.querySelector("link[data-worker]")?.dataset.worker;
  if (worker && "serviceWorker" in navigator) {
    addEventListener("load", () => navigator.serviceWorker.register(worker, { updateViaCache: "none" }).catch(() => {}));
  }
}

// An answer that a script wrote into this window (doors.js): reading starts at its head, and the way back leads
// to the page that stood here before. A jump inside the page is no way back.
if (history.state?.answer) {
  document.getElementById("main").focus();
  addEventListener("popstate", (event) => {
    if (!event.state?.answer && !location.hash) location.reload();
  });
}
