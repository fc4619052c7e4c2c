// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// A mistake at its field, as the server marks it; and gone, once something else is chosen.
const unmark = (input) => {
  document.getElementById(`${input.id}-error`)?.remove();
  input.closest(".field").classList.remove("wrong");
  input.removeAttribute("aria-invalid");
};
const mark = (input, word, text) => {
  unmark(input);
  const mistake = document.createElement("p");
  const hidden = document.createElement("span");
  mistake.className = "mistake";
  mistake.id = `${input.id}-error`;
  hidden.className = "hidden";
  hidden.textContent = `${word}: `;
  mistake.append(hidden, text);
  input.before(mistake);
  input.closest(".field").classList.add("wrong");
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", `${input.id}-hint ${mistake.id}`);
  input.focus();
};

// Uploads are slow on a phone: say that work is going on, and do not send what is too large anyway.
for (const form of document.querySelectorAll("form[data-upload]")) {
  const status = form.querySelector("[role=status]");
  const button = form.querySelector("button");
  const inputs = [...form.querySelectorAll("input[type=file]")];
  const limit = form.dataset.upload * 1024 * 1024;
  form.addEventListener("submit", (event) => {
    const large = inputs.find((input) => [...input.files].some((file) => file.size > limit));
    if (large) {
      event.preventDefault();
      mark(large, form.dataset.error, form.dataset.tooLarge);
    } else if (inputs.some((input) => input.files.length)) {
      status.textContent = status.dataset.working;
      button.disabled = true;
    }
  });
  // Chosen anew, or back from the answer: the form is ready again.
  const ready = () => {
    status.textContent = "";
    button.disabled = false;
  };
  form.addEventListener("change", () => {
    ready();
    inputs.forEach(unmark);
  });
  addEventListener("pageshow", ready);
}

// Two ways to give a photo, one photo to check: choosing in one clears the other.
for (const input of document.querySelectorAll("#camera, #picture")) {
  input.addEventListener("change", () => {
    const other = document.getElementById(input.id === "camera" ? "picture" : "camera");
    if (input.files.length) other.value = "";
  });
}

// The camera: its script is loaded by a tap. Where a browser has no camera for pages, that is said at once.
for (const place of document.querySelectorAll("[data-scan]")) {
  const [opener, status] = [place.querySelector("button"), place.querySelector("[role=status]")];
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
