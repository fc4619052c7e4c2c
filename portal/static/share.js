// A share code that came by QR stands behind the # and was sent to nobody: into the box, and out of the address.
const code = document.getElementById("code");
if (location.hash.length > 1) {
  if (!code.value) code.value = decodeURIComponent(location.hash.slice(1).replace(/%(?![0-9a-f]{2})/gi, ""));
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("ngay").focus();
}
