# Sourced by what asks ccusage: installs it, once, at the version that is compared with, and leaves the program's path in
# $ccusage. $here is the repository's folder.
version=20.0.24
place=${CCUSAGE_DIR:-$here/.tools/ccusage}
ccusage=$place/node_modules/.bin/ccusage
if ! command -v npm >/dev/null; then
  echo "skipped: ccusage needs npm, which is not installed" >&2
  exit 4
fi
if [ ! -x "$ccusage" ]; then
  mkdir -p "$place"
  if ! npm install --silent --no-audit --no-fund --prefix "$place" "ccusage@$version" >&2; then
    echo "skipped: npm cannot install ccusage@$version" >&2
    exit 4
  fi
fi
