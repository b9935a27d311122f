#!/usr/bin/env bash
# Makes what the browser tests need: Node's packages, and Chromium with fonts, from the system's package manager where
# that can be asked.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null 2>&1 || { echo "missing: node (builds and tests the page). Remedy: install Node 20 or newer" >&2; exit 1; }

if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Chromium ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-liberation fonts-noto-color-emoji >/dev/null
  else
    echo "missing: Chromium (the page is tested in it). Remedy: apt-get install chromium fonts-noto-color-emoji, or set CHROMIUM to its path" >&2
    exit 1
  fi
fi

web=dashboard/webtest
if [ ! -e $web/node_modules/.package-lock.json ] || [ $web/package-lock.json -nt $web/node_modules/.package-lock.json ]; then
  echo "installing what the browser tests are written with ..."
  (cd $web && npm ci --silent && touch node_modules/.package-lock.json)
fi
