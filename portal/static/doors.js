// The one box. Enhancement only: everything here is checked for before it is used, and the form works without.
// Each script of ours stands in a block: an answer that is written into this window brings its scripts along.
{
  const QUIET = 60_000; // without a sign of life for so long, the connection counts as lost
  const SIDE = 2048; // of a photo that is sent: a code of a tenth of its width is still read
  const form = document.querySelector("form[data-box]");
  const words = form.dataset;
  const text = form.elements.code;
  const inputs = [...form.querySelectorAll("input[type=file]")];
  const button = form.querySelector("button:not([type])");
  const sending = form.querySelector(".sending");
  const bar = sending.querySelector("progress");
  const stop = sending.querySelector("button");
  const status = form.querySelector("[role=status]");
  const able =
    window.FormData && window.XMLHttpRequest && window.DOMParser && "upload" in XMLHttpRequest.prototype;
  let held = null; // a dropped or pasted file that this browser does not let us put into an input
  let turn = 0; // of a file that is on its way: what another choice has ended is no answer any more
  let busy = false;
  let request = null;

  // ---- mistakes at their fields, as the server marks them

  const unmark = (input) => {
    document.getElementById(`${input.id}-error`)?.remove();
    input.closest(".field").classList.remove("wrong");
    input.removeAttribute("aria-invalid");
    const hint = document.getElementById(`${input.id}-hint`);
    if (hint) input.setAttribute("aria-describedby", hint.id);
    else input.removeAttribute("aria-describedby");
  };
  const mark = (input, said) => {
    unmark(input);
    const mistake = document.createElement("p");
    const hidden = document.createElement("span");
    mistake.className = "mistake";
    mistake.id = `${input.id}-error`;
    hidden.className = "hidden";
    hidden.textContent = `${words.error}: `;
    mistake.append(hidden, said);
    input.before(mistake);
    input.closest(".field").classList.add("wrong");
    input.setAttribute("aria-invalid", "true");
    const described = input.getAttribute("aria-describedby");
    input.setAttribute("aria-describedby", described ? `${described} ${mistake.id}` : mistake.id);
  };
  const say = (said) => {
    if (status.textContent !== said) status.textContent = said;
  };
  // Ends what is on its way; the box waits for the next thing.
  const ready = (said = "") => {
    turn += 1;
    busy = false;
    request?.abort();
    request = null;
    sending.hidden = true;
    button.disabled = false;
    status.classList.remove("working");
    say(said);
  };
  const halt = () => ready(busy ? words.stopped : "");
  const refuse = (input, said) => {
    ready();
    mark(input, said);
    input.focus();
  };

  // ---- what was chosen

  const chosen = () => {
    const input = inputs.find((each) => each.files && each.files.length);
    if (input) return { input, file: input.files[0] };
    return held;
  };
  const give = (files, folder = false) => {
    halt();
    [...inputs, text].forEach(unmark);
    const input = files[0].type.startsWith("image/") ? form.elements.photo : form.elements.file;
    if (files.length > 1 || folder) return refuse(input, words.several);
    for (const each of inputs) each.value = "";
    held = null;
    try {
      input.files = files;
    } catch {
      // an old browser: sent from here instead
    }
    if (!input.files.length) held = { input, file: files[0] };
    if (held && !able) return refuse(input, words.choose);
    text.value = "";
    button.click();
  };
  for (const input of inputs) {
    input.addEventListener("change", () => {
      held = null;
      if (input.files.length) for (const other of inputs) if (other !== input) other.value = "";
      halt();
      [...inputs, text].forEach(unmark);
    });
  }
  // Also a page that was left and is shown again; never a file that somebody sends before all of the page is there.
  addEventListener("pageshow", (event) => (event.persisted || !busy) && ready());

  // ---- dropped and pasted

  // Files are taken wherever on the page they fall: beside the box the browser would open them and leave.
  const put = (data) => {
    text.value = data.getData("text/plain").slice(0, text.maxLength);
    text.focus();
  };
  const carries = ({ dataTransfer, target }) => {
    const types = [...(dataTransfer?.types ?? [])];
    return types.includes("Files") || (types.includes("text/plain") && form.contains(target));
  };
  addEventListener("dragover", (event) => {
    const taken = carries(event);
    form.classList.toggle("over", taken);
    if (taken) event.preventDefault();
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    form.classList.remove("over");
    if (!carries(event)) return;
    event.preventDefault();
    const { files, items } = event.dataTransfer;
    if (files.length) give(files, [...(items ?? [])].some((item) => item.webkitGetAsEntry?.()?.isDirectory));
    else if (event.dataTransfer.getData("text/plain")) put(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    if (!data) return;
    if (data.files && data.files.length) {
      event.preventDefault();
      give(data.files);
    } else if (!event.target.closest("input, textarea") && data.getData("text/plain")) {
      event.preventDefault();
      put(data);
    }
  });

  // ---- the camera, and photos that the phone reads itself: scan.js is loaded when one of them is asked for

  const place = form.querySelector("[data-scan]");
  const scanner = () => import(place.dataset.script);
  const opener = place.querySelector("button");
  const about = place.querySelector("output");
  const missing = !window.isSecureContext ? "insecure" : !navigator.mediaDevices?.getUserMedia ? "missing" : "";
  place.hidden = false;
  opener.hidden = missing !== "";
  if (missing) about.textContent = place.dataset[missing];
  opener.addEventListener("click", () => {
    halt(); // one way at a time: an answer must not come while the camera looks
    scanner().then(
      ({ open }) => open(place, opener),
      () => (about.textContent = place.dataset.noReader),
    );
  });
  // Where the one code in a photo leads; null where the server has to look.
  const readHere = async (file) => {
    if (!file.type.startsWith("image/")) return null;
    try {
      return await (await scanner()).readPhoto(file, place);
    } catch {
      return null;
    }
  };

  // ---- sent, and answered

  // A smaller picture, turned as people see it; null where it is small enough or cannot be made here.
  const shrink = async (file) => {
    if (!file.type.startsWith("image/") || !window.createImageBitmap || !HTMLCanvasElement.prototype.toBlob) {
      return null;
    }
    try {
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      const scale = SIDE / Math.max(bitmap.width, bitmap.height);
      if (scale >= 1) return null;
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(bitmap.width * scale);
      canvas.height = Math.round(bitmap.height * scale);
      canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.8));
      return blob && blob.size < file.size ? blob : null;
    } catch {
      return null; // a format that only the server reads
    }
  };

  // Resolves with the finished request; with null when the connection was lost or the sending stopped.
  const post = (name, content, filename, small, next) =>
    new Promise((done) => {
      const body = new FormData();
      body.append(name, content, filename);
      if (small) body.append("shrunk", "1");
      const sent = (request = new XMLHttpRequest());
      let clock;
      let said = 0;
      const alive = () => {
        clearTimeout(clock);
        clock = setTimeout(() => sent.abort(), QUIET);
      };
      const end = (answer) => {
        clearTimeout(clock);
        done(answer);
      };
      sent.upload.addEventListener("progress", (event) => {
        alive();
        if (!event.lengthComputable || event.loaded === event.total) return;
        const part = (100 * event.loaded) / event.total;
        bar.value = part;
        const quarter = Math.floor(part / 25) * 25;
        if (quarter > said) say(words.sent.replace("{n}", (said = quarter)));
      });
      sent.upload.addEventListener("load", () => {
        alive();
        bar.removeAttribute("value"); // how long a check takes nobody knows
        say(next);
      });
      sent.addEventListener("load", () => end(sent));
      sent.addEventListener("error", () => end(null));
      sent.addEventListener("abort", () => end(null));
      sent.open("POST", form.action);
      sent.setRequestHeader("X-Upload", "1");
      sent.setRequestHeader("Accept", "text/html");
      alive();
      sent.send(body);
    });

  // The answer's page takes the place of this one; the way back leads here again (app.js).
  const show = (page, address) => {
    try {
      history.pushState({ answer: Date.now() }, "", address);
    } catch {
      // refused by this browser: the answer stands at this page's own address
    }
    document.open();
    document.write(page);
    document.close();
  };

  const answered = (answer, input) => {
    const next = answer.getResponseHeader("X-Next");
    if (next) return location.assign(next);
    const page = new DOMParser().parseFromString(answer.responseText, "text/html");
    if (answer.status === 200 && page.querySelector("main")) {
      return show(answer.responseText, answer.getResponseHeader("Content-Location") ?? form.action);
    }
    // Not checked. The server's words, at the field; the file stays chosen.
    const own = [...page.querySelectorAll(".mistake")].map((each) => each.lastChild.textContent);
    const said = own.length ? own : [...page.querySelectorAll("main h1, main > p:not(:last-child)")].map((p) => p.textContent);
    if (answer.status === 413 && !said.length) said.push(words.tooLarge);
    refuse(input, said.map((each) => each.trim().replace(/[^.!?…]$/, "$&.")).join(" ") || words.lost);
  };

  stop.addEventListener("click", () => {
    ready(words.stopped);
    button.focus();
  });

  form.addEventListener("submit", async (event) => {
    const found = chosen();
    if (!found && text.value.trim() && navigator.onLine === false) {
      event.preventDefault();
      return refuse(text, words.offline);
    }
    if (!found || !able) return; // a text, or nothing: an ordinary form
    event.preventDefault();
    if (busy) return;
    const { input, file } = found;
    [...inputs, text].forEach(unmark);
    if (text.value.trim()) return refuse(text, words.both);
    const next = file.type.startsWith("image/") ? words.looking : words.checking;
    const mine = (turn += 1);
    busy = true;
    button.disabled = true;
    if (next === words.looking) say(next);
    const read = await readHere(file);
    if (mine !== turn) return;
    if (read) return location.assign(read);
    // Only what cannot be made smaller is too large.
    const small = await shrink(file);
    if (mine !== turn) return;
    if (!small && file.size > words.box * 1024 * 1024) return refuse(input, words.tooLarge);
    bar.value = 0;
    sending.hidden = false;
    status.classList.add("working");
    if (document.activeElement === button || document.activeElement === document.body) stop.focus();
    say(words.sending);
    let answer = await post(input.name, small ?? file, file.name, small !== null, next);
    if (mine === turn && answer?.getResponseHeader("X-Again")) {
      bar.value = 0;
      say(words.again);
      answer = await post(input.name, file, file.name, false, next);
    }
    // A file that was moved, changed or is a folder breaks off as a connection does.
    const there = answer || !file.arrayBuffer || (await file.arrayBuffer().then(() => true, () => false));
    if (mine !== turn) return; // stopped by hand, or by another choice
    request = null;
    if (!answer) return refuse(input, there ? words.lost : words.unreadable);
    answered(answer, input);
  });
}
