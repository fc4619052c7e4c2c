// Served at /sw.js where the worker is taken back (setting OFFLINE_WITHDRAWN): it clears what was kept, and goes.

addEventListener("install", () => skipWaiting());

addEventListener("activate", (event) => {
  const clear = async () => {
    for (const name of await caches.keys()) await caches.delete(name);
    await registration.unregister();
  };
  event.waitUntil(clear());
});
