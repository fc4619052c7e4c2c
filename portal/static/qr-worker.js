// Reads QR codes in pixels, away from the page. Its own response alone may compile WebAssembly; it holds no text
// for people and decides nothing: whoever asks gets the texts found, or null where the reader could not work.
//
// Asked: {reader, wasm} once (addresses of the vendored files), then {id, width, height, pixels, hard}.
// Answers: {ready} once, then {id, texts}.

// The vendored reader uses it; WebViews before 93 have none.
if (!Object.hasOwn) {
  Object.hasOwn = (object, key) => Object.prototype.hasOwnProperty.call(object, key);
}

const OPTIONS = {
  formats: ["QRCode"],
  tryHarder: true,
  tryRotate: true,
  tryInvert: true,
  tryDownscale: true,
  maxNumberOfSymbols: 8, // a strange code beside ours must be seen
  textMode: "Plain", // the default rewrites control characters
};
// Pictures that the first look leaves unread: even light with little contrast; noise.
const HARDER = { ...OPTIONS, binarizer: "GlobalHistogram" };
const DENOISED = { ...OPTIONS, tryDenoise: true };

const start = async ({ reader, wasm }) => {
  importScripts(reader);
  await ZXingWASM.prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true });
};

const read = async ({ width, height, pixels, hard }) => {
  const image = new ImageData(new Uint8ClampedArray(pixels), width, height);
  for (const options of hard ? [OPTIONS, HARDER, DENOISED] : [OPTIONS]) {
    const found = (await ZXingWASM.readBarcodes(image, options)).filter((each) => each.isValid);
    if (found.length) return [...new Set(found.map((each) => each.text))];
  }
  return [];
};

addEventListener("message", async ({ data }) => {
  if (data.reader) {
    const ready = await start(data).then(() => true, () => false);
    postMessage({ ready });
    return;
  }
  const texts = await read(data).catch(() => null);
  postMessage({ id: data.id, texts });
});
