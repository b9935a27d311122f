#!/usr/bin/env bash
# Runs the commands of a document against a service that follows generated transcripts: every block fenced as
#   ```sh run            while the service runs
#   ```sh run offline    after it was stopped
# and, with if=COMMAND behind that, only if this program has that command. A command that fails ends it, with the line.
set -euo pipefail
cd "$(dirname "$0")/.."
doc=$(realpath "${1:?usage: scripts/run-docs.sh DOCUMENT}")
program=$(realpath "${CLAUDE_ANALYTICS:-bin/claude-analytics}")
tools=$PWD/.tools/bin
box=$(mktemp -d)
service=
stop() {
  [ -z "$service" ] || { kill "$service" 2>/dev/null || true; wait "$service" 2>/dev/null || true; }
  service=
}
trap 'stop; rm -rf "$box"' EXIT

# What readers have on their machines: the program, the nats CLI on the right server, and an empty folder to work in.
mkdir -p "$box/bin" "$box/work" "$box/blocks"
ln -s "$program" "$box/bin/claude-analytics"
export PATH="$box/bin:$PATH" DATA_DIR="$box/data" HOME="$box" LOG_LEVEL=warn HTTP_ADDR=127.0.0.1:0
unset NATS_URL MONGO_URI
claude-analytics generate --sessions 4 --seed 7 --hard --out "$box/transcripts" >/dev/null
export TRANSCRIPTS_DIR="$box/transcripts" SOURCE_NAME=demo
claude-analytics up >"$box/up.log" 2>&1 &
service=$!
for _ in $(seq 600); do
  kill -0 "$service" 2>/dev/null || { cat "$box/up.log" >&2; exit 1; }
  n=$(claude-analytics query --csv 'SELECT count(*) FROM marts.dim_sessions' 2>/dev/null | tail -1 || true)
  [ "${n:-0}" -gt 0 ] 2>/dev/null && break
  sleep 0.2
done
[ "${n:-0}" -gt 0 ] || { echo "no session came to the marts" >&2; cat "$box/up.log" >&2; exit 1; }
address=$(jq -r .http_addr "$DATA_DIR/LOCK")
printf '#!/bin/sh\nexec %q --server %q "$@"\n' "$tools/nats" "$(jq -r .nats_url "$DATA_DIR/LOCK")" >"$box/bin/nats"
chmod +x "$box/bin/nats"

# One file a block, named by the line at which it begins.
awk -v out="$box/blocks" '
  /^```sh run/ { line = NR; file = sprintf("%s/%05d", out, NR); print substr($0, 11) > (file ".how"); printf "" > file; inside = 1; next }
  /^```/       { inside = 0 }
  inside       { print > file }' "$doc"
ran=0 left=0
for pass in live offline; do
  for how in "$box"/blocks/*.how; do
    block=${how%.how}
    case $pass/$(<"$how") in
      live/*offline*) continue ;;
      offline/*offline*) stop ;;
      offline/*) continue ;;
    esac
    if need=$(grep -oE 'if=[a-z]+' "$how"); then
      "$program" "${need#if=}" --help >/dev/null 2>&1 || { left=$((left + 1)); continue; }
    fi
    sed -i "s/127\.0\.0\.1:8080/$address/g" "$block"
    if ! (cd "$box/work" && bash -euo pipefail "$block") >"$box/out" 2>&1; then
      echo "$doc:$((10#$(basename "$block"))): this does not work:" >&2
      cat "$block" "$box/out" >&2
      exit 1
    fi
    ran=$((ran + 1))
  done
done
echo "$(basename "$doc"): $ran blocks ran, $left need a command that this program does not have"
[ "$ran" -gt 0 ]
