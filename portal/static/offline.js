// Without a network: finds typing mistakes and links that lead elsewhere. Says no more, keeps nothing.

// ---- reading a code
// A port of verifier/locator.py; a test reads thousands of damaged codes with both. Left out: keys
// swallowed without a mark, the Vietnamese keyboard layout, links and digests with marks. Those wait for the network.

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const [ID, WHOLE] = [17, 69];
const LENGTHS = [ID, 25, WHOLE];
const [CIRCUMFLEX, BREVE, HORN, STROKE] = "\u0302\u0306\u031b\u0335";
const TONES = "\u0301\u0300\u0309\u0303\u0323";
const METHODS = [
  {
    tones: "SFRXJ",
    shapes: { A: { A: CIRCUMFLEX }, E: { E: CIRCUMFLEX }, O: { O: CIRCUMFLEX }, D: { D: STROKE }, W: { A: BREVE, O: HORN, U: HORN } },
    loneW: true,
  },
  {
    tones: "12345",
    shapes: { 6: { A: CIRCUMFLEX, E: CIRCUMFLEX, O: CIRCUMFLEX }, 7: { O: HORN, U: HORN }, 8: { A: BREVE }, 9: { D: STROKE } },
    loneW: false,
  },
];

// Σ αⁱ·cᵢ = 0 over GF(32), x⁵+x²+1: Horner from the right.
const passes = (text) =>
  [...text].reduceRight((sum, c) => (sum << 1) ^ (sum & 16 ? 0b100101 : 0) ^ ALPHABET.indexOf(c), 0) === 0;
const plainly = (text) => [...text].every((c) => ALPHABET.includes(c));
const alike = (text) => text.replace(/O/g, "0").replace(/[IL]/g, "1");
const fits = (plain) =>
  LENGTHS.includes(plain.length) &&
  plainly(plain) &&
  !(plain.length === WHOLE && ALPHABET.indexOf(plain.at(-1)) & 15) &&
  passes(plain.slice(0, ID));

const fold = (text) =>
  [...text.toUpperCase()]
    .map((c) => {
      if (/[\t\r\n]|\p{Z}/u.test(c)) return " ";
      if (/\p{Cf}|\p{Cc}/u.test(c)) return "";
      if (/[！-～]/.test(c)) return String.fromCharCode(c.charCodeAt(0) - 0xfee0); // as East Asian keyboards write
      return /\p{Pd}/u.test(c) ? "-" : c === "Ð" ? "Đ" : c;
    })
    .join("")
    .trim();
const parts = (text) => text.split(/[\s.,;:_/\\-]+/).filter(Boolean);
const distinct = (items) => [...new Set(items)];
const isAscii = (text) => !/[^\0-\x7f]/.test(text);

// What the box makes of a text: {code, undone, host}, or {problem}.
const readTyped = (text, hosts) => {
  if ([...text].length > 512) return { problem: "too_long" };
  let body = fold(text);
  let host;
  // The first of a word: one in another's question opens that other page.
  const links = body.split(" ").map((word) => /(HTTPS?):\/\/([^/?#\s]+)(\/[^?#\s]*)?/.exec(word)).filter(Boolean);
  if (links.length) {
    const ours = links.filter((link) => owner(link, hosts));
    if (!ours.length) return { problem: links.every(([link]) => isAscii(link)) ? "foreign_link" : "malformed_link" };
    const tails = distinct(
      ours.map((link) => link[3] ?? "").filter((path) => path.startsWith("/V/")).map((path) => path.slice(3).replace(/[/.,;:!?)\]}>"'”’»]+$/, "")),
    );
    if (tails.length !== 1) return { problem: "malformed_link" };
    host = owner(ours[0], hosts);
    [body] = tails;
  }
  const groups = parts(body);
  if (!groups.length) return { problem: "empty" };
  const plain = alike(groups.join(""));
  if (fits(plain)) return { code: plain, undone: false, host };
  // What an input method may have made of the keys: one spelling that fits is certainty.
  const found = distinct(METHODS.flatMap((method) => assemble(groups, method)));
  if (found.length === 1) return { code: found[0], undone: true, host };
  if (found.length) return { problem: "ambiguous" };
  if (host) return { problem: "malformed_link" };
  if (!plainly(plain)) return { problem: "characters" };
  return { problem: LENGTHS.includes(plain.length) ? "check_character" : "length" };
};

// Which of our hosts a link names.
const owner = ([, scheme, authority], hosts) => {
  const [name, port] = authority.toLowerCase().split(/:(.*)/);
  const plain = [undefined, scheme === "HTTP" ? "80" : "443"].includes(port) ? name : `${name}:${port}`;
  return hosts.find((own) => own === plain);
};

const keystrokes = (text, method) => {
  const decomposed = text.replace(/Đ/g, "DD").normalize("NFD");
  return [...decomposed].length - (method.loneW ? decomposed.split(`U${HORN}`).length - 1 : 0);
};

const assemble = (groups, method) => {
  if (!LENGTHS.includes(groups.reduce((sum, group) => sum + keystrokes(group, method), 0))) return [];
  let texts = [""];
  for (const group of groups) {
    if (texts[0]?.length === ID) texts = texts.filter((text) => plainly(text) && passes(text));
    const found = spellings(group, method);
    if (!found.length || found.length * texts.length > 10_000) return [];
    texts = texts.flatMap((text) => found.map((spelling) => text + alike(spelling)));
  }
  return distinct(texts.filter(fits));
};

// Keystrokes behind one group, word by word; none where they are too many to try.
const spellings = (text, method) => {
  let texts = [""];
  for (const word of text.normalize("NFD").replace(/Đ/g, `D${STROKE}`).match(/[A-Z][A-Z\u0300-\u036f]*|[^A-Z]/gu)) {
    const endings = wordSpellings(word, method);
    if (endings.length * texts.length > 10_000) return [];
    texts = texts.flatMap((each) => endings.map((ending) => each + ending));
  }
  return distinct(texts);
};

// Every lost key at every place from its letter (a tone: from the first vowel) to the end of the word.
const wordSpellings = (word, method) => {
  const bases = [];
  const lost = [];
  for (const [, base, marks] of word.matchAll(/(.)([\u0300-\u036f]*)/gsu)) {
    let letter = base;
    for (const mark of marks) {
      if (mark === HORN && base === "U" && method.loneW) letter = "W";
      else if (TONES.includes(mark)) {
        const vowel = bases.findIndex((each) => "AEIOUYW".includes(each));
        lost.push([vowel < 0 ? bases.length : vowel, method.tones[TONES.indexOf(mark)]]);
      } else {
        lost.push([bases.length, Object.keys(method.shapes).find((key) => method.shapes[key][base] === mark) ?? mark]);
      }
    }
    bases.push(letter);
  }
  let found = [bases.join("")];
  if (!lost.length) return found;
  lost.sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? 1 : -1));
  for (const [anchor, key] of lost) {
    const more = [];
    for (const each of found) {
      for (let at = anchor + 1; at <= each.length && more.length <= 300; at++) more.push(each.slice(0, at) + key + each.slice(at));
    }
    found = distinct(more);
    if (found.length > 300) return [];
  }
  return found.filter((keys) => types(keys, word, method));
};

// Whether typing these keys shows the word, in one of the ways in which input methods differ.
const types = (keys, word, method) => {
  const wanted = [...word].filter((c) => !TONES.includes(c)).join("") + "|" + [...word].filter((c) => TONES.includes(c)).join("");
  const alone = method.loneW && keys.includes("W") ? [true, false] : [false];
  return [true, false].some((reach) => alone.some((loneW) => shows(keys, method, reach, loneW) === wanted));
};

const shows = (keys, method, reach, loneW) => {
  const word = [];
  let tone = "";
  for (const key of keys) {
    if (method.tones.includes(key) && word.some(([letter]) => "AEIOUYW".includes(letter))) {
      const mark = TONES[method.tones.indexOf(key)];
      if (tone !== mark) {
        tone = mark;
        continue;
      }
      tone = "";
    } else if (key === "Z" && tone && method.loneW) {
      tone = "";
      continue;
    } else {
      const shapes = method.shapes[key] ?? {};
      const near = (reach ? word : word.slice(-1)).filter(([letter]) => letter in shapes).at(-1);
      if (near && near[1] !== shapes[near[0]]) {
        near[1] = shapes[near[0]];
        continue;
      }
      if (near && near[0] === "U") word.splice(word.indexOf(near), 1);
      else if (near) near[1] = "";
      else if (key === "W" && loneW) {
        word.push(["U", HORN]);
        continue;
      }
    }
    word.push([key, ""]);
  }
  return `${word.map((each) => each.join("")).join("")}|${tone}`;
};

// ---- the page

const form = document.querySelector("form[data-hosts]");
const result = document.querySelector("[data-result]");
const [look, ask] = form.querySelectorAll("button");
const hosts = form.dataset.hosts.split(" ");
const { code: box, short } = form.elements;
const grouped = (text) => text.replace(/.{4}(?=.)/g, "$&-");

// Says what can be seen without the registry; the sentences stand in the page.
const examine = () => {
  const read = readTyped(box.value, hosts);
  const printed = alike(parts(fold(short.value)).join(""));
  const known = read.code?.slice(ID, 25);
  const said = new Set([read.problem ?? "fits"]);
  if (read.undone) said.add("undone");
  if (read.host) said.add("host");
  if (read.code && printed && !(printed.length === 8 && plainly(printed))) said.add("unreadable");
  else if (known) said.add(!printed ? "short" : printed === known ? "same" : "differ");
  else if (read.code && printed) said.add("alone");
  for (const item of result.querySelectorAll("[data-say]")) item.hidden = !said.has(item.dataset.say);
  const fill = { code: read.code && grouped(read.code.slice(0, ID)), short: known && grouped(known), host: read.host };
  for (const slot of result.querySelectorAll("[data-fill]")) slot.textContent = fill[slot.dataset.fill] ?? "";
  const warned = said.has("foreign_link") || said.has("differ");
  result.classList.toggle("warn", warned);
  result.classList.toggle("unfinished", !warned);
  result.hidden = false;
};

// The registry is asked with one tap, as soon as there is a network; nothing is sent by itself.
const network = () => {
  ask.hidden = !navigator.onLine;
  document.querySelector("[data-online]").hidden = !navigator.onLine;
};
addEventListener("online", network);
addEventListener("offline", network);
network();
look.hidden = false;
look.addEventListener("click", examine);
form.addEventListener("submit", (event) => {
  if (navigator.onLine) return;
  event.preventDefault();
  examine();
});
form.addEventListener("input", () => {
  result.hidden = true; // it spoke of something else
});

// In the place of a page that could not be reached: the ways onward lead to that page.
const { pathname } = location;
if (pathname !== form.dataset.page) {
  document.querySelector("[data-again]").href = location.href;
  const other = document.querySelector("a.tongue");
  if (other) {
    const there = new URL(location);
    there.searchParams.delete("lang");
    if (other.lang === "en") there.searchParams.set("lang", "en");
    other.href = there;
  }
  if (/^\/v\//i.test(pathname)) {
    box.value = pathname.slice(3);
    examine();
  }
}
