// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// An answer that a script wrote into this window (doors.js): reading starts at its head, and the way back leads
// to the page that stood here before. A jump inside the page is no way back.
if (history.state?.answer) {
  document.getElementById("main").focus();
  addEventListener("popstate", (event) => {
    if (!event.state?.answer && !location.hash) location.reload();
  });
}
