#!/usr/bin/env bash
# Runs the tests with the program that was just built. Arguments go to `go test`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${TRANSCRIPTS:-}" ]; then
  case $TRANSCRIPTS in /*) ;; *) TRANSCRIPTS=$PWD/$TRANSCRIPTS ;; esac
  [ -d "$TRANSCRIPTS" ] || echo "no real transcripts at $TRANSCRIPTS: the tests that read them are skipped"
  export TRANSCRIPTS
fi
export PATH="$PWD/.tools/bin:$PATH" CLAUDE_ANALYTICS="$PWD/bin/claude-analytics"
exec go test -timeout 20m "$@"
