#!/bin/sh
# Runs the benchmarks and compares them with the newest run kept under bench/runs,
# with benchstat. Fails if the time of one has grown by 10 % or more and benchstat
# finds the difference significant.
#
#   COUNT   runs of each benchmark (default 6: the least that benchstat can judge)
#   RUN     which benchmarks, a regular expression (default all)
#   LIMIT   percent (default 10)
#   BENCHTIME  of each run (default 200ms, as the runs that are kept)
set -eu
old=$(ls -d bench/runs/*/raw.txt 2>/dev/null | sort | tail -n 1)
if [ -z "$old" ]; then
    echo "bench-compare: there is no run under bench/runs to compare with" >&2
    exit 1
fi
new=$(mktemp)
trap 'rm -f "$new"' EXIT
go test -run '^$' -bench "${RUN:-.}" -count "${COUNT:-6}" -benchtime "${BENCHTIME:-200ms}" -timeout 120m ./bench >"$new"
go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da "$old" "$new"
go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da -format csv "$old" "$new" 2>/dev/null |
    awk -F, -v limit="${LIMIT:-10}" '
        /^,sec\/op/ { time = 1; next }
        /^,/ { time = 0 }
        time && $6 ~ /^\+/ {
            p = $6; sub(/^\+/, "", p); sub(/%$/, "", p)
            if (p + 0 >= limit && $1 != "geomean") { print "slower: " $1 " " $6; bad = 1 }
        }
        END { exit bad }'
