#!/usr/bin/env bash
# Makes the virtual environment that the batch platform of PEER_BATCH runs in, once for each list of requirements. The
# platform needs Python 3.11; PYTHON names another.
set -euo pipefail
cd "$(dirname "$0")/.."
peer=${PEER_BATCH:-../shared/peers/batch}
lock=$peer/requirements-lock.txt
venv=.tools/peer-venv
[ -f "$lock" ] || exit 0 # the benchmark says that it is skipped
cmp -s "$lock" "$venv/installed.txt" && exit 0
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
echo "installing the batch platform's requirements ..."
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check -r "$lock"
cp "$lock" "$venv/installed.txt"
