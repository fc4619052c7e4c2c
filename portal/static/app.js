// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// The camera: its script is loaded by a tap. Where a browser has no camera for pages, that is said at once.
for (const place of document.querySelectorAll("[data-scan]")) {
  const [opener, status] = [place.querySelector("button"), place.querySelector("output")];
  const missing = !window.isSecureContext ? "insecure" : !navigator.mediaDevices?.getUserMedia ? "missing" : "";
  place.hidden = false;
  opener.hidden = Boolean(missing);
  if (missing) status.textContent = place.dataset[missing];
  opener.addEventListener("click", () => {
    import(place.dataset.script).then(
      (scanner) => scanner.open(place, opener),
      () => (status.textContent = place.dataset.noReader),
    );
  });
}
