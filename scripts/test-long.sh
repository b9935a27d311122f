#!/usr/bin/env bash
# The long tests: ten hard seeds, a hundred kills, long property tests, the race detector, and every fuzz target for
# FUZZTIME (60s). SHARE=1 runs the part that CI does: one of each, briefly, on a fresh seed that is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-60s}
kills=${KILLS:-100}
checks=${CHECKS:-1000}
race="./proto ./internal/... ./ingest/... ./sink/... ./dashboard/..."
if [ "${SHARE:-}" = 1 ]; then
  fuzztime=${FUZZTIME:-2s}
  race="./proto ./internal/lockfile ./internal/config ./dashboard ./ingest/transcript ./ingest/mongodb"
fi
step() { printf '\n--- %s (%s)\n' "$1" "$(date -u +%H:%M:%S)"; }

step "race detector"
# shellcheck disable=SC2086
scripts/test.sh -race -count=1 $race

step "fuzzing, $fuzztime each"
# The share takes three packages, others each time: they are named below.
some=cat
[ "${SHARE:-}" != 1 ] || some="shuf -n 3"
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | $some | while read -r package; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$package"/*_test.go | sed 's/func //' | while read -r target; do
    echo "$package $target"
    go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x
  done
done
step "dbt builds the same"
scripts/dbt-build.sh
if [ "${SHARE:-}" = 1 ]; then
  step "some of the longer end to end tests"
  SHARE=1 scripts/test.sh -count=1 -run '^(TestReplay|TestVerifyNamesAndRepairs|TestEraseSession|TestHardSeeds|TestKilledApart|TestFullDisk|TestSecondWriter|TestOlderThan|TestEraseProject|TestEraseDeleted)$' ./e2e
  exit 0
fi

step "incremental equals full, $checks histories of the small project and of the program's own models (4 s each)"
scripts/test.sh -count=1 -timeout 6h -run 'Incremental' ./modeler/... -rapid.checks="$checks"

step "erasure and compaction, stopped anywhere"
LONG=1 scripts/test.sh -count=1 -run 'Erase|Compact|Retain|Superseded|Rewrite' ./sink ./sink/lake -rapid.checks="$checks"
LONG=1 scripts/test.sh -count=1 -timeout 60m -run 'Erase|Scrub' ./internal/stream -rapid.checks="$checks"

step "secrets near words are those found everywhere, $((10 * checks)) texts"
scripts/test.sh -count=1 -timeout 60m -run 'NearEquals' ./internal/redact -rapid.checks=$((10 * checks))

step "the page at its edges, a session of 50,000 lines among them"
LONG=1 T=50,000 scripts/test-web.sh

step "ten hard seeds, $kills kills"
LONG=1 KILLS=$kills scripts/test.sh -count=1 -timeout 120m ./e2e
