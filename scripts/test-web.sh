#!/usr/bin/env bash
# Runs the browser tests on the program that was just built. Arguments are names of tests; LONG=1 adds those that take long.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need-web.sh
export CLAUDE_ANALYTICS="${CLAUDE_ANALYTICS:-$PWD/bin/claude-analytics}"
cd dashboard/webtest
args=(--test --test-concurrency=2 --test-reporter=spec)
[ -z "${T:-}" ] || [ "$T" = . ] || args+=(--test-name-pattern="$T")
exec node "${args[@]}" ./*.test.mjs
