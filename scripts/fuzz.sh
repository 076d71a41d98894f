#!/bin/sh
# Runs every fuzz target of the packages PKG (default all) for FUZZTIME (default 60s), one after
# the other.
set -eu
# shellcheck disable=SC2086
go list ${PKG:-./...} | while read -r pkg; do
    for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
        echo "$pkg $target"
        go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" "$pkg" </dev/null
    done
done
