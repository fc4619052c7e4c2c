// Runs the portal's own portal/static/qr-worker.js with its vendored reader, outside a browser: what a page sends it
// comes on standard input (twelve bytes: width, height and how many tries, little-endian; then the RGBA pixels), what
// it answers goes out, a line of JSON each: the texts, and the processor's milliseconds.
// Arguments: the worker, the reader's script, its WebAssembly.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const [worker, reader, wasm] = process.argv.slice(2);
const run = (file) => vm.runInThisContext(fs.readFileSync(file, "utf8"), { filename: file });

let ask;
let answered;
globalThis.self = globalThis;
globalThis.location = { href: `file://${reader}` };
globalThis.ImageData = class {
  constructor(data, width, height) {
    Object.assign(this, { data, width, height });
  }
};
globalThis.importScripts = run;
globalThis.fetch = async (file) =>
  new Response(fs.readFileSync(String(file).replace("file://", "")), { headers: { "Content-Type": "application/wasm" } });
globalThis.addEventListener = (_, listener) => {
  ask = (data) => new Promise((done) => {
    answered = done;
    listener({ data });
  });
};
globalThis.postMessage = (message) => answered(message);

const exactly = (length) => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = fs.readSync(0, bytes, at, length - at);
    if (count === 0) return null;
    at += count;
  }
  return bytes;
};

const main = async () => {
  run(worker);
  const { ready } = await ask({ reader, wasm });
  if (!ready) throw new Error("the reader did not start");
  for (let head = exactly(12); head; head = exactly(12)) {
    const [width, height, tries] = [0, 4, 8].map((at) => head.readUInt32LE(at));
    const pixels = exactly(width * height * 4).buffer;
    const began = process.cpuUsage();
    const { texts } = await ask({ id: 1, width, height, pixels, tries });
    const { user, system } = process.cpuUsage(began);
    fs.writeSync(1, `${JSON.stringify([texts, (user + system) / 1000])}\n`);
  }
};

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
