#!/usr/bin/env bash
# Compares tokens per day and model, per session and model, and per five-hour block, of a folder of transcripts with
# ccusage's, to the token.
# Usage: scripts/compare-ccusage.sh DIR [DATA_DIR]
#   DIR       the folder "projects", or the one above it
#   DATA_DIR  of a stopped service that has read it; without one the folder is read into a new one
# Exit code: 0 equal, 3 different (every difference is named), 4 ccusage cannot be installed here.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -eq 1 ] || [ $# -eq 2 ] || { sed -n '2,7s/^# //p' "$0" >&2; exit 2; }
dir=$(cd "$1" && pwd)
[ ! -d "$dir/projects" ] || dir=$dir/projects
program=${CLAUDE_ANALYTICS:-$here/bin/claude-analytics}
[ -x "$program" ] || { echo "$program is missing: run make build" >&2; exit 2; }

# shellcheck source=scripts/ccusage.sh
. "$here/scripts/ccusage.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home" "$work/config"
ln -s "$dir" "$work/config/projects"

# A home of its own, so that nothing but the folder is read.
for report in daily session blocks; do
  HOME=$work/home CLAUDE_CONFIG_DIR=$work/config TZ=UTC "$ccusage" $report --json --offline > "$work/theirs-$report.json"
done
data=${2:-$work/data}
[ $# -eq 2 ] || "$program" up --env-file "" --set REPORT_TZ=UTC --transcripts "$dir" --until-idle --data-dir "$data" --http-addr 127.0.0.1:0 > "$work/log" 2>&1 ||
  { tail -20 "$work/log" >&2; exit 1; }
for report in daily session blocks; do
  "$program" report $report --json --data-dir "$data" > "$work/ours-$report.json"
done
python3 "$here/scripts/compare_ccusage.py" "$work"
