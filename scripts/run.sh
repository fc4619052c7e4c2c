#!/bin/sh
# Brings the demo up to date and serves it. Called by `make run`, after the packages are in place.
set -eu
: "${PORT:=8000}"
case $PORT in '' | *[!0-9]*) echo "error: PORT must be a number, not '$PORT'" >&2; exit 64 ;; esac

export DEMO="${DEMO:-1}"
export INSTANCE_DIR="${INSTANCE_DIR:-$PWD/instance}"
export WEB_THREADS="${WEB_THREADS:-256}"
# For the worker, which signs what is ordered at pages.
export SIGNING_KEYS="${SIGNING_KEYS:-$INSTANCE_DIR/demo/keys.json}"
# By name: browsers make passkeys for names alone, never for an address of numbers.
export PUBLIC_URL="${PUBLIC_URL:-http://localhost:$PORT}"

# Codes printed when the demo ran on another port stay codes of this portal.
former="$INSTANCE_DIR/demo/former-urls"
.venv/bin/flask --app wsgi demo create
export PUBLIC_URL_FORMER="${PUBLIC_URL_FORMER:-$(cat "$former")}"

echo
echo "Cổng xác thực học bạ số: $PUBLIC_URL  (Ctrl-C để dừng)"
echo "Tài khoản mẫu để đăng nhập: $PUBLIC_URL/demo-accounts"
echo "Học bạ mẫu và câu trả lời phải có: $INSTANCE_DIR/demo/manifest.json"
exec .venv/bin/python scripts/serve.py "$PORT"
