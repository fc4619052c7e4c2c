// Reads QR codes in pixels, away from the page. Its own response alone may compile WebAssembly; it holds no text
// for people and decides nothing: whoever asks gets the texts found, or null where the reader could not work.
//
// Asked: {reader, wasm} once (addresses of the vendored files), then {id, width, height, pixels, tries}: how many
// of the tries below may be made. Answers: {ready} once, then {id, texts}.

// The vendored reader uses it; WebViews before 93 have none.
if (!Object.hasOwn) {
  Object.hasOwn = (object, key) => Object.prototype.hasOwnProperty.call(object, key);
}

const BASE = 1.5e6; // pixels: what is enlarged is no larger, and so costs no more than that
const RED = 40; // levels by which red ink is lighter in red light than in all light
const RED_SHARE = 0.0005; // of a picture: a line of a seal; less hides no code

let zxing;
let options;

const start = async ({ reader, wasm }) => {
  importScripts(reader);
  zxing = await ZXingWASM.prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true });
  options = {
    ...ZXingWASM.defaultReaderOptions, // as the module itself takes them: by number
    formats: ZXingWASM.encodeFormats(["QRCode"]),
    binarizer: ZXingWASM.BINARIZERS.indexOf("LocalAverage"),
    eanAddOnSymbol: ZXingWASM.EAN_ADD_ON_SYMBOLS.indexOf("Ignore"),
    characterSet: ZXingWASM.CHARACTER_SETS.indexOf("Unknown"),
    textMode: ZXingWASM.TEXT_MODES.indexOf("Plain"), // the default rewrites control characters
    maxNumberOfSymbols: 8, // a strange code beside ours must be seen
  };
};

// ------------------------------------------------------------------------- pictures in grey: {data, width, height}

const grey = ({ pixels, width, height }) => {
  const data = new Uint8ClampedArray(width * height);
  for (let i = 0, j = 0; i < data.length; i += 1, j += 4) {
    data[i] = (306 * pixels[j] + 601 * pixels[j + 1] + 117 * pixels[j + 2]) / 1024;
  }
  return { data, width, height };
};

// The picture in red light, in which the ink of a seal is as light as paper; null where there is no red ink.
const inRed = ({ pixels, width, height }, { data: all }) => {
  const data = new Uint8ClampedArray(width * height);
  let lighter = 0;
  for (let i = 0; i < data.length; i += 1) {
    data[i] = pixels[4 * i];
    if (data[i] - all[i] >= RED) lighter += 1;
  }
  return lighter > RED_SHARE * data.length ? { data, width, height } : null;
};

// Smaller by a whole number.
const reduced = ({ data, width, height }, by) => {
  if (by === 1) return { data, width, height };
  const small = { width: Math.floor(width / by), height: Math.floor(height / by) };
  small.data = new Uint8ClampedArray(small.width * small.height);
  for (let y = 0, at = 0; y < small.height; y += 1) {
    for (let x = 0; x < small.width; x += 1, at += 1) {
      let sum = 0;
      for (let row = 0, from = y * by * width + x * by; row < by; row += 1, from += width) {
        for (let column = 0; column < by; column += 1) sum += data[from + column];
      }
      small.data[at] = sum / (by * by);
    }
  }
  return small;
};

// Each pixel the mean of the square around it, ``radius`` pixels to each side; the rim is repeated outwards.
const softened = ({ data, width, height }, radius) => {
  const soft = new Uint8ClampedArray(data.length);
  const area = (2 * radius + 1) ** 2;
  const sums = new Int32Array(width); // of each column, over the rows of the square
  const row = (y) => width * Math.min(height - 1, Math.max(0, y));
  for (let y = -radius; y <= radius; y += 1) {
    for (let x = 0; x < width; x += 1) sums[x] += data[row(y) + x];
  }
  for (let y = 0, at = 0; y < height; y += 1) {
    let sum = 0;
    for (let x = -radius; x <= radius; x += 1) sum += sums[Math.min(width - 1, Math.max(0, x))];
    for (let x = 0; x < width; x += 1, at += 1) {
      soft[at] = sum / area;
      sum += sums[Math.min(width - 1, x + radius + 1)] - sums[Math.max(0, x - radius)];
    }
    const [next, last] = [row(y + radius + 1), row(y - radius)];
    for (let x = 0; x < width; x += 1) sums[x] += data[next + x] - data[last + x];
  }
  return { data: soft, width, height };
};

// ``share`` of what softening takes is added instead.
const sharpened = (picture, share) => {
  const { data } = picture;
  const sharp = softened(picture, 2);
  for (let i = 0; i < data.length; i += 1) sharp.data[i] = data[i] + share * (data[i] - sharp.data[i]);
  return sharp;
};

// Larger by a whole number, straight between pixels. Enlarged last: sharpening the small one is what it costs less.
const enlarged = ({ data, width, height }, by) => {
  const wide = width * by;
  const large = new Uint8ClampedArray(wide * height * by);
  const line = new Float32Array(width + 2); // one of its rows, still narrow, with its rim on both sides
  // Between which two pixels (the one before, or the one after) each new one lies, and how near to the second.
  const places = Array.from({ length: by }, (_, number) => {
    const place = (number + 0.5) / by + 0.5;
    return [Math.floor(place), place % 1];
  });
  const row = (y) => width * Math.min(height - 1, Math.max(0, y));
  for (let y = 0, at = 0; y < height; y += 1) {
    for (const [after, near] of places) {
      const [upper, lower] = [row(y + after - 1), row(y + after)];
      for (let x = 0; x < width; x += 1) line[x + 1] = data[upper + x] * (1 - near) + data[lower + x] * near;
      line[0] = line[1];
      line[width + 1] = line[width];
      for (let x = 0; x < width; x += 1) {
        for (const [right, nearer] of places) {
          large[at] = line[x + right] * (1 - nearer) + line[x + right + 1] * nearer;
          at += 1;
        }
      }
    }
  }
  return { data: large, width: wide, height: height * by };
};

// ------------------------------------------------------------------------------------------------ the reader

// What is looked at, cheap tries first, as the server does (verifier/barcode.py): the picture as it is; in red light
// where there is red ink (else null), and then that alone; twice the size, sharpened (few pixels a module); three
// times (the same with blur); softened, sharpened, twice the size (noise, what sharpening breaks into specks).
const looks = function* (image) {
  let picture = grey(image);
  yield picture;
  const red = inRed(image, picture);
  yield red;
  picture = red || picture;
  picture = reduced(picture, Math.ceil(Math.sqrt(picture.data.length / BASE)));
  yield enlarged(sharpened(picture, 1), 2);
  yield enlarged(sharpened(picture, 2), 3);
  yield enlarged(sharpened(softened(picture, 1), 3), 2);
};

const textsIn = ({ data, width, height }) => {
  const place = zxing._malloc(data.length);
  if (!place) throw new Error("no memory");
  try {
    zxing.HEAPU8.set(data, place);
    const found = zxing.readBarcodesFromPixmap(place, width, height, options);
    const codes = Array.from({ length: found.size() }, (_, number) => found.get(number));
    found.delete();
    return [...new Set(codes.filter((code) => code.isValid).map((code) => code.text))];
  } finally {
    zxing._free(place);
  }
};

const read = ({ width, height, pixels, tries }) => {
  let left = tries;
  for (const picture of looks({ width, height, pixels: new Uint8Array(pixels) })) {
    const texts = picture ? textsIn(picture) : [];
    left -= 1;
    if (texts.length || !left) return texts;
  }
  return [];
};

addEventListener("message", ({ data }) => {
  if (data.reader) {
    start(data).then(() => postMessage({ ready: true }), () => postMessage({ ready: false }));
    return;
  }
  let texts = null;
  try {
    texts = read(data);
  } catch {
    // said by null
  }
  postMessage({ id: data.id, texts });
});
