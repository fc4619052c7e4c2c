// What a QR code of ours carries behind the #, into its box: it goes to no server until the form is sent, and
// does not stay in the address. Without this file it is typed.
const box = document.querySelector("[data-fragment]");
const carried = location.hash.slice(1);
if (box && !box.value && /^[0-9A-Za-z-]{8,64}$/.test(carried)) {
  box.value = carried;
  history.replaceState(null, "", location.pathname + location.search);
}
