#!/bin/sh
# Installs from Debian what the tests need, when it may; otherwise says in one line what to install. Safe to run twice.
set -eu

missing=""
need() { # need PACKAGE COMMAND-OR-FILE...
    package=$1
    shift
    for thing in "$@"; do
        case $thing in
        /*) for found in $thing; do [ -e "$found" ] && return 0; done ;;
        *) command -v "$thing" >/dev/null 2>&1 && return 0 ;;
        esac
    done
    missing="$missing $package"
}

need chromium chromium
need ffmpeg ffmpeg
need postgresql '/usr/lib/postgresql/*/bin/initdb'
need redis-server redis-server
need softhsm2 softhsm2-util
need poppler-utils pdfsig
need qpdf qpdf
need curl curl
need util-linux unshare
need nginx /usr/sbin/nginx
need libseccomp2 '/usr/lib/*/libseccomp.so.2'
need nodejs node
need npm npm

# The tools from npm, as their lock file pins them. Node trusts authorities of its own; the machine's are added.
npm_tools() {
    authorities=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
    if [ -r "$authorities" ]; then export NODE_EXTRA_CA_CERTS="$authorities"; fi
    [ tests/tools/node_modules/.package-lock.json -nt tests/tools/package-lock.json ] && return 0
    npm ci --prefix tests/tools --ignore-scripts --no-audit --no-fund --loglevel=error || {
        echo "error: npm could not install what tests/tools/package-lock.json names; give this machine a way to the npm registry" >&2
        exit 1
    }
}

[ -z "$missing" ] && { npm_tools; exit 0; }

if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "error: the tests need Debian packages that are not installed; run: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "installing for the tests:$missing"
log=$(mktemp)
if ! { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: apt-get could not install what the tests need; run: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
rm -f "$log"
# The tests start their own; nobody asked for a web server on this machine.
case "$missing " in
*" nginx "*) if [ -d /run/systemd/system ]; then $sudo systemctl disable --quiet --now nginx; fi ;;
esac
npm_tools
