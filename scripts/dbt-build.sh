#!/usr/bin/env bash
# Lets dbt itself build the models on a copy of a warehouse, and compares every table with what the modeler made of the same
# documents, row for row. DBT_VENV names a virtual environment to use or make, WAREHOUSE a stopped warehouse's file; without
# one, transcripts are generated (SESSIONS, SEED).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${DBT_VENV:-.tools/dbt}
requirements=scripts/requirements-dbt.txt
if ! cmp -s "$requirements" "$venv/installed.txt"; then
  echo "installing dbt ..."
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements"; then
    echo "dbt cannot be installed here: what it would build is not compared" >&2
    exit 0
  fi
  cp "$requirements" "$venv/installed.txt"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${WAREHOUSE:-}" ]; then
  bin/claude-analytics generate --hard --sessions "${SESSIONS:-12}" --seed "${SEED:-1}" --out "$work/transcripts" > /dev/null
  bin/claude-analytics up --until-idle --transcripts "$work/transcripts" --data-dir "$work/data" --http-addr 127.0.0.1:0 > "$work/up.txt" 2>&1 ||
    { cat "$work/up.txt" >&2; exit 1; }
  WAREHOUSE=$work/data/analytics.duckdb
fi
cp "$WAREHOUSE" "$work/copy.duckdb"
cp -r modeler/models "$work/project"
echo "dbt build ..."
if ! DUCKDB_PATH="$work/copy.duckdb" DBT_SEND_ANONYMOUS_USAGE_STATS=false "$venv/bin/dbt" --no-use-colors build --full-refresh \
  --project-dir "$work/project" --profiles-dir "$work/project" > "$work/dbt.txt" 2>&1; then
  tail -n 60 "$work/dbt.txt" >&2
  exit 1
fi
tail -n 1 "$work/dbt.txt"
"$venv/bin/python" scripts/dbt_compare.py "$WAREHOUSE" "$work/copy.duckdb"
