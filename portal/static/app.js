// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// Where a page says so, the browser keeps the page for when there is no network, once this one is there.
const worker = document.querySelector("link[data-worker]")?.dataset.worker;
if (worker && "serviceWorker" in navigator) {
  addEventListener("load", () => navigator.serviceWorker.register(worker, { updateViaCache: "none" }).catch(() => {}));
}
