// Reads a QR code with the camera or from a chosen photo. Loaded after a tap (or with a photo), never before.
//
// What a code says is data: only a locator under one of our own hosts leads anywhere, and only to /V/ on this very
// site. Of any other code the page says what it is not; its text is neither shown nor opened.
// Every way out of here leaves the photo and the typed code where they are.

const PATIENCE = 4000; // ms until a reader that finds nothing gets help, and until the first hint
const LONG = 15000; // ms until the other ways are named
const DARK = 50; // mean brightness, of 255
const SIDE = 1280; // longest side of a frame that is looked at
const SENT = 2048; // longest side of a photo that is looked at in every way
// How many of the worker's tries are made (qr-worker.js has them).
const AS_IT_IS = 1;
const IN_RED_LIGHT = 2; // too: for a seal over the code
const ENLARGED = 3; // too: ten times the work of a frame as it is
const ALL = 5;
const MOST = 16e6; // pixels of the largest canvas that every phone has
const LOCATOR = /^\/[Vv]\/([0-9A-HJKMNP-TV-Z]{17}\.[0-9A-HJKMNP-TV-Z]{52})$/i;
const DEFAULT_PORT = { http: /:80$/, https: /:443$/ };

// "ours" with its locator; "link" for what would open elsewhere; "other" for any other text (also a page of ours
// that is no record's code). As verifier.locator.read_code decides.
export const classify = (text, hosts) => {
  const link = /^(https?):\/\/([^/?#\s]*)(.*)$/is.exec(text);
  if (!link || text.length > 512) {
    return { kind: /^\s*(https?:|[a-z][a-z\d+.-]*:\/\/|www\.|[\w-]+(\.[\w-]+)+(\/|$))/i.test(text) ? "link" : "other" };
  }
  const scheme = link[1].toLowerCase();
  const host = link[2].toLowerCase().replace(DEFAULT_PORT[scheme], "");
  if (!/^[!-~]+$/.test(link[2]) || !hosts.includes(host)) return { kind: "link" };
  const locator = LOCATOR.exec(link[3]);
  return locator ? { kind: "ours", locator: locator[1].toUpperCase() } : { kind: "other" };
};

// What all codes of one picture mean together.
const judge = (texts, hosts) => {
  const codes = texts.map((text) => classify(text, hosts));
  const ours = [...new Set(codes.filter((code) => code.kind === "ours").map((code) => code.locator))];
  return {
    locator: ours.length === 1 ? ours[0] : null,
    several: ours.length > 1,
    link: codes.some((code) => code.kind === "link"),
    other: codes.some((code) => code.kind === "other"),
    any: codes.length > 0,
  };
};

const hostsOf = (place) => place.dataset.hosts.split(" ");

const resultOf = (place, locator) => {
  const address = new URL(place.dataset.result, location.href);
  address.pathname += locator;
  return address.href;
};

// ------------------------------------------------------------------------------------------------ two readers

// The browser's own, or null. Some name the class and read no QR code; some throw later.
const nativeReader = async () => {
  try {
    const formats = await window.BarcodeDetector.getSupportedFormats();
    if (!formats.includes("qr_code")) return null;
    const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
    return async (source) => (await detector.detect(source)).map((code) => code.rawValue);
  } catch {
    return null;
  }
};

// Ours, in a worker: started once a page, and kept. Resolves to read(ImageData, tries), or null.
let started = null;
const wasmReader = (place) => {
  if (!started) started = startWorker(place);
  return started.then((reader) => {
    if (!reader) started = null; // the next tap may have a better connection
    return reader;
  });
};

const startWorker = (place) =>
  new Promise((resolve) => {
    let worker;
    try {
      worker = new Worker(place.dataset.worker);
    } catch {
      resolve(null);
      return;
    }
    const waiting = new Map();
    let last = 0;
    const read = (image, tries) =>
      new Promise((done) => {
        last += 1;
        waiting.set(last, done);
        const { width, height } = image;
        worker.postMessage({ id: last, width, height, pixels: image.data.buffer, tries }, [image.data.buffer]);
      });
    worker.addEventListener("message", ({ data }) => {
      if (data.id) {
        waiting.get(data.id)(data.texts);
        waiting.delete(data.id);
      } else {
        if (!data.ready) worker.terminate();
        resolve(data.ready ? read : null);
      }
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const done of waiting.values()) done(null);
      waiting.clear();
      resolve(null);
    });
    worker.postMessage({ reader: place.dataset.reader, wasm: place.dataset.wasm });
  });

// The pixels of a part of ``source`` (all of it, or its middle), its longer side ``side`` long.
const pixelsOf = (canvas, source, width, height, side, middle = 1) => {
  const [w, h] = [width * middle, height * middle];
  const scale = Math.min(side / Math.max(w, h), Math.sqrt(MOST / (w * h)));
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, (width - w) / 2, (height - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
};

const brightness = ({ data }) => {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < data.length; i += 4 * 997) {
    sum += data[i] + data[i + 1] * 2 + data[i + 2];
    count += 4;
  }
  return sum / count;
};

// ------------------------------------------------------------------------------------------------ a photo

const pictureOf = async (file) => {
  if (window.createImageBitmap) {
    try {
      return await createImageBitmap(file);
    } catch {
      // HEIC, or a browser that only shows pictures: tried as an <img>
    }
  }
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(address);
  }
};

const looks = async function* (place, picture) {
  const native = await nativeReader();
  if (native) yield await native(picture).catch(() => []);
  const reader = await wasmReader(place);
  if (!reader) return;
  const canvas = document.createElement("canvas");
  const width = picture.naturalWidth || picture.width;
  const height = picture.naturalHeight || picture.height;
  const longest = Math.max(width, height);
  // A phone's photo in half its size first, every way; then as it is, for a small code in it.
  yield (await reader(pixelsOf(canvas, picture, width, height, Math.min(longest, SENT)), ALL)) || [];
  if (longest > SENT) yield (await reader(pixelsOf(canvas, picture, width, height, longest), IN_RED_LIGHT)) || [];
};

const readWhole = async (file, place) => {
  for await (const found of looks(place, await pictureOf(file))) {
    if (found.length) {
      const seen = judge(found, hostsOf(place));
      return seen.locator && !seen.link && !seen.other ? resultOf(place, seen.locator) : null;
    }
  }
  return null;
};

// The address of the answer for the one code of ours in a photo, read on the phone itself; null where there is
// none, several, or a strange one beside it: those go to the server, which answers for the photo as a whole.
// So do those that this browser cannot open, and those that take longer than sending them would.
export const readPhoto = (file, place) => {
  const late = new Promise((done) => {
    setTimeout(done, 2 * PATIENCE, null);
  });
  return Promise.race([readWhole(file, place).catch(() => null), late]);
};

// ------------------------------------------------------------------------------------------------ the camera

const REFUSALS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

// Opens the camera in ``place`` (components/scan.html holds its words and buttons). ``opener`` is what was tapped.
export const open = async (place, opener) => {
  if (opener.hidden) return; // the second of two quick taps: one camera is enough
  const view = place.querySelector("template").content.firstElementChild.cloneNode(true);
  const part = (name) => view.querySelector(`[data-scan-${name}]`);
  const video = part("video");
  const status = place.querySelector("output");
  const warning = place.querySelector("[role=alert]");
  const go = part("go");
  const hosts = hostsOf(place);
  const canvas = document.createElement("canvas");
  let stream = null;
  let open = true;
  let strange = false; // a link elsewhere was seen: what comes after it asks before it opens
  let waiting = null; // the answer that waits for that tap

  const say = (name) => {
    const text = name ? place.dataset[name] : "";
    if (status.textContent !== text) status.textContent = text;
  };
  const warn = (name) => {
    const text = place.dataset[name];
    if (warning.textContent !== text) warning.textContent = text;
    warning.hidden = false;
  };
  const close = (name) => {
    if (!open) return;
    open = false;
    if (stream) stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    const here = view.contains(document.activeElement);
    view.remove();
    opener.hidden = false;
    if (here) opener.focus();
    say(name);
    removeEventListener("pagehide", away);
    document.removeEventListener("submit", away);
    document.removeEventListener("visibilitychange", hidden);
  };
  const away = () => close("");
  const hidden = () => {
    if (document.visibilityState === "hidden") close("left");
  };
  const follow = (locator) => {
    const address = resultOf(place, locator);
    close("found");
    location.assign(address);
  };

  warning.textContent = "";
  warning.hidden = true;
  opener.hidden = true;
  place.append(view);
  say("asking");
  addEventListener("pagehide", away);
  document.addEventListener("submit", away); // another way was taken meanwhile
  document.addEventListener("visibilitychange", hidden);
  part("close").addEventListener("click", () => {
    close("");
    opener.focus();
  });
  go.addEventListener("click", () => follow(waiting));
  part("close").focus();

  // The camera is asked for and the reader is loaded at the same time.
  let native = null;
  let wasm = null;
  let called = null; // help is called once
  const help = () => {
    called = called || wasmReader(place);
    called.then((reader) => {
      wasm = reader;
      if (!wasm && !native) close("noReader");
    });
  };
  const asked = nativeReader().then((reader) => {
    native = reader;
    if (!native) help();
  });

  try {
    const back = { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } };
    stream = await navigator.mediaDevices.getUserMedia({ video: back, audio: false });
  } catch (error) {
    close(REFUSALS[error.name] || "failed");
    opener.focus();
    return;
  }
  if (!open) {
    stream.getTracks().forEach((track) => track.stop()); // closed while the question was on the screen
    return;
  }
  const [track] = stream.getVideoTracks();
  track.addEventListener("ended", () => close("busy")); // unplugged, or taken by another app
  video.srcObject = stream;
  try {
    await video.play();
  } catch {
    close("busy");
    return;
  }
  await asked;
  if (!open) return;
  offer(track, part);
  say(native || wasm ? "looking" : "loading");

  const began = performance.now();
  const hint = (image) => {
    const passed = performance.now() - began;
    if (passed > 1000 && brightness(image) < DARK) say("dark");
    else if (!native && !wasm) say("loading");
    else if (passed > LONG) say("otherWays");
    else if (passed > PATIENCE) say("nearer");
    else say("looking");
  };
  const picture = (side, middle) => pixelsOf(canvas, video, video.videoWidth, video.videoHeight, side, middle);
  const look = async (turn) => {
    if (native) {
      try {
        const found = await native(video);
        if (found.length) return found;
      } catch {
        native = null;
        help();
      }
      if (performance.now() - began > PATIENCE) help();
    }
    if (turn % 8 === 0) hint(picture(160, 1));
    if (!wasm) return [];
    // By turns all of the picture, and its middle enlarged: a small code, held at arm's length.
    const tries = turn % 12 === 7 ? ENLARGED : turn % 4 === 3 ? IN_RED_LIGHT : AS_IT_IS;
    const found = (await wasm(picture(SIDE, turn % 3 === 2 ? 0.5 : 1), tries)) || [];
    // What was found may stand beside something strange that this look left out: all of it is looked at again.
    return found.length && open ? [...found, ...((await wasm(picture(SIDE, 1), AS_IT_IS)) || [])] : found;
  };
  const next = () =>
    new Promise((done) => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => done());
      setTimeout(done, video.requestVideoFrameCallback ? 500 : 80);
    });

  for (let turn = 0; open && !waiting; turn += 1) {
    await next();
    if (!open || !video.videoWidth) continue;
    const found = await look(turn);
    if (!open || !found.length) continue;
    const seen = judge(found, hosts);
    strange = strange || seen.link;
    if (seen.link) warn("strange");
    else if (seen.several) warn("several");
    else if (seen.other && !strange) warn("notOurs");
    if (seen.locator && !strange) follow(seen.locator);
    else if (seen.locator) {
      // Ours beside a code that leads elsewhere, or after one: the warning is read first, then a tap opens ours.
      waiting = seen.locator;
      video.pause();
      say("oursToo");
      go.hidden = false;
      go.focus();
    }
  }
};

// Light and zoom, where this camera has them.
const offer = (track, part) => {
  const can = track.getCapabilities ? track.getCapabilities() : {};
  const set = (wanted) => track.applyConstraints({ advanced: [wanted] }).catch(() => {});
  if (can.torch) {
    const torch = part("torch");
    torch.hidden = false;
    torch.addEventListener("click", () => {
      const on = torch.getAttribute("aria-pressed") !== "true";
      torch.setAttribute("aria-pressed", on);
      set({ torch: on });
    });
  }
  if (can.zoom && can.zoom.max > can.zoom.min) {
    const { min, max, step } = can.zoom;
    let zoom = track.getSettings().zoom || min;
    const by = Math.max(step || 0, (max - min) / 8);
    for (const [name, sign] of [["closer", 1], ["farther", -1]]) {
      const button = part(name);
      button.hidden = false;
      button.addEventListener("click", () => {
        zoom = Math.min(max, Math.max(min, zoom + sign * by));
        set({ zoom });
      });
    }
  }
};
