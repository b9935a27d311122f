#!/usr/bin/env bash
# Compares the price list that comes with the program with the one that ccusage carries (LiteLLM's): for each model that we
# name and each class of tokens, ccusage is asked what 100,000 of them cost.
# Usage: scripts/check-prices.sh [PRICE_LIST]
#   PRICE_LIST   default modeler/models/seeds/price_list.csv
#   CCUSAGE_DIR  where ccusage is installed, or to be installed (default .tools/ccusage)
# Exit code: 0 no difference, 3 different (every difference is named), 4 ccusage cannot be installed here.
# What ccusage has no price for is named and is no difference. It knows one price of writing to the cache for both classes in
# some versions, no fast mode of some models, and no web searches; only what it says is compared.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -le 1 ] || { sed -n '2,9s/^# //p' "$0" >&2; exit 2; }
list=${1:-$here/modeler/models/seeds/price_list.csv}
# shellcheck source=scripts/ccusage.sh
. "$here/scripts/ccusage.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/home" "$work/config/projects/-prices"
python3 "$here/scripts/check_prices.py" write "$list" "$work/config/projects/-prices"
# A home of its own, so that nothing but these files is read.
HOME=$work/home CLAUDE_CONFIG_DIR=$work/config TZ=UTC "$ccusage" session --json --offline > "$work/sessions.json"
python3 "$here/scripts/check_prices.py" compare "$list" "$work/sessions.json"
