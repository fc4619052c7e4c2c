// What a QR code of ours carries behind the #, into the box that the form names: it goes to no server until the
// form is sent, and does not stay in the address. Without this file it is typed.
const form = document.querySelector("[data-fragment]");
const carried = location.hash.slice(1);
if (form && carried) {
  const box = form.elements[form.dataset.fragment];
  if (!box.value && /^[0-9A-Za-z-]{8,64}$/.test(carried)) {
    box.value = carried;
    const boxes = [...form.querySelectorAll("input:not([type=hidden]), button")];
    boxes[boxes.indexOf(box) + 1].focus();
  }
  history.replaceState(null, "", location.pathname + location.search);
}
