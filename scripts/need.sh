#!/usr/bin/env bash
# Names every tool that is missing, with its remedy, before anything else happens.
set -u
missing=0
need() { # command, what for, remedy
  command -v "$1" >/dev/null 2>&1 && return
  echo "missing: $1 ($2). Remedy: $3" >&2
  missing=1
}
need go "builds the program" "install Go 1.26 or newer and put it on the PATH"
need "${CC:-gcc}" "DuckDB is linked statically through cgo" "install a C compiler (Debian: apt-get install gcc g++), or set CC"
need g++ "links DuckDB's C++ library" "install a C++ compiler (Debian: apt-get install g++)"
need node "builds the page of the dashboard" "install Node 20.19 or newer and put it on the PATH"
need npm "fetches what the page is built with" "install npm, which comes with Node (Debian: apt-get install npm)"
need git "stamps the version" "install git"
if command -v go >/dev/null 2>&1; then
  have=$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
  if [ "$(printf '1.26\n%s\n' "$have" | sort -V | head -n 1)" != "1.26" ]; then
    echo "go $have is too old. Remedy: install Go 1.26 or newer" >&2
    missing=1
  fi
fi
if command -v node >/dev/null 2>&1; then
  have=$(node --version | sed 's/^v//')
  if [ "$(printf '20.19\n%s\n' "$have" | sort -V | head -n 1)" != "20.19" ]; then
    echo "node $have is too old. Remedy: install Node 20.19 or newer" >&2
    missing=1
  fi
fi
exit $missing
