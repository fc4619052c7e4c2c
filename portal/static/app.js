// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();
