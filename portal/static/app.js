// Enhancement only: every page works without this file.

// A page that came back with mistakes: the summary is where reading starts.
document.querySelector("[data-focus]")?.focus();

// Uploads are slow on a phone: say that work is going on, and do not send what is too large anyway.
for (const form of document.querySelectorAll("form[data-upload]")) {
  const status = form.querySelector("[role=status]");
  const button = form.querySelector("button");
  const limit = form.dataset.upload * 1024 * 1024;
  form.addEventListener("submit", (event) => {
    const files = [...form.querySelectorAll("input[type=file]")].flatMap((input) => [...input.files]);
    if (files.some((file) => file.size > limit)) {
      event.preventDefault();
      status.textContent = status.dataset.tooLarge;
      return;
    }
    if (files.length === 1) {
      status.textContent = status.dataset.working;
      button.disabled = true;
    }
  });
  // Chosen anew, or back from the answer: the form is ready again.
  const ready = () => {
    status.textContent = "";
    button.disabled = false;
  };
  form.addEventListener("change", ready);
  addEventListener("pageshow", ready);
}

// Two ways to give a photo, one photo to check: choosing in one clears the other.
for (const input of document.querySelectorAll("#camera, #picture")) {
  input.addEventListener("change", () => {
    const other = document.getElementById(input.id === "camera" ? "picture" : "camera");
    if (input.files.length) other.value = "";
  });
}
