#!/usr/bin/env bash
# Pictures of each page in light, dark and on a phone, and of the tour, from generated data, into docs/images.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need-web.sh
export CLAUDE_ANALYTICS="$PWD/bin/claude-analytics"
mkdir -p docs/images
PICTURES="${PICTURES:-$PWD/docs/images}" node dashboard/webtest/screenshots.mjs
PICTURES="${PICTURES:-$PWD/docs/images}" node --test --test-reporter=spec dashboard/webtest/tour.test.mjs
du -ch docs/images/* | tail -n 1
