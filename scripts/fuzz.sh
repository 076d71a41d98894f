#!/bin/sh
# Runs every fuzz target of the packages PKG (default all) for FUZZTIME (default 60s), one after
# the other. The fuzzer of Go now and then reports its own deadline as a failure, without an
# input (golang.org/issue/75804): such a target is run again, and must pass then.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() {
    go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-60s}" "$1" </dev/null >"$log" 2>&1 && status=0 || status=$?
    cat "$log"
    return "$status"
}

# A failure that is the deadline and nothing else.
deadline() {
    grep -q '^    context deadline exceeded$' "$log" && ! grep -qi 'failing input\|panic\|seed corpus' "$log"
}

# shellcheck disable=SC2086
packages=$(go list ${PKG:-./...})
for pkg in $packages; do
    for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
        echo "$pkg $target"
        fuzz "$pkg" "$target" || { deadline && fuzz "$pkg" "$target"; }
    done
done
