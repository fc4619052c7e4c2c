// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// Where a page says so, the browser keeps the page for when there is no network, once this one is there. In a
// block of its own, as every script of a page: an answer written into this window brings its scripts again.
{
  const worker = document.querySelector("link[data-worker]")?.dataset.worker;
  if (worker && "serviceWorker" in navigator) {
    addEventListener("load", async () => {
      try {
        await navigator.serviceWorker.register(worker, { updateViaCache: "none" });
      } catch {
        // refused, here or by a setting: without it all is as before
      }
    });
  }
}

// An answer that a script wrote into this window (doors.js): reading starts at its head. The ways back and forward
// between it and the page that stood here before lead to pages of the server's; a jump inside the page does not.
{
  const mine = history.state?.answer;
  const place = () => location.pathname + location.search;
  const here = place();
  if (mine) document.getElementById("main").focus();
  addEventListener("popstate", ({ state }) => {
    if (state?.answer !== mine && !(location.hash && place() === here)) location.reload();
  });
}
