// Served at /sw.js behind two lines of the server's: CACHE, a name that changes with what is kept, and FILES,
// the addresses kept: the offline page in each language, then its own static files. Nothing else is ever kept,
// and no answer is ever changed; docs/offline.md says what this may do.

addEventListener("install", (event) => {
  skipWaiting(); // no page depends on which version runs
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES.map(asked))));
});

addEventListener("activate", (event) => {
  event.waitUntil(
    Promise.all([
      caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))),
      registration.navigationPreload?.enable(), // the page is asked for while this script still starts
    ]),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const { pathname, search } = new URL(request.url);
  if (request.mode === "navigate") event.respondWith(page(event));
  else if (FILES.includes(pathname + search)) event.respondWith(kept(request.url).then((file) => file ?? fetch(request)));
});

// Pages change under one address, static files do not. As nobody: no cookie goes along.
const asked = (file) => new Request(file, { cache: file.startsWith("/static/") ? "default" : "reload", credentials: "omit" });

const kept = (address) => caches.open(CACHE).then((cache) => cache.match(address));

// What the server answers, whatever it is; only where nothing can be reached, the page that says so.
const page = async (event) => {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    const english = new URL(event.request.url).searchParams.get("lang") === "en";
    return (await kept(FILES[english ? 1 : 0])) ?? Response.error();
  }
};
