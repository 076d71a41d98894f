#!/bin/sh
# Runs the benchmarks and compares them with the newest run kept under bench/runs,
# with benchstat. Fails if the time of one has grown by LIMIT per cent or more, the
# difference is significant, and the confidence intervals do not overlap; and if
# nothing could be compared: numbers of another machine, of other kernels, or of
# another number of cores are not comparable.
#
#   COUNT      runs of each benchmark (default 6: the least that benchstat can judge)
#   OLD        the raw.txt to compare with (default the newest run kept)
#   RUN        which benchmarks, a regular expression (default all)
#   LIMIT      per cent (default 10)
#   BENCHTIME  of each run (default 200ms, as the runs that are kept)
#
# To measure as a kept run did, use as many cores (taskset -c 1 make bench-compare).
set -eu
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
old=${OLD:-$(ls bench/runs/*/raw.txt 2>/dev/null | sort | tail -n 1)}
if [ -z "$old" ]; then
    echo "bench-compare: there is no run under bench/runs to compare with" >&2
    exit 1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# A test binary does not restart itself with the right kernels as the command does.
better=$(WWQ_RESTARTED=1 go run ./cmd/wwq-fast env --json | sed -n 's/.*"better_core": "\(.*\)".*/\1/p')
if [ -n "$better" ] && [ -z "${OPENBLAS_CORETYPE:-}" ]; then
    export OPENBLAS_CORETYPE="$better"
fi

# Round after round, so that a disturbance does not fall on all runs of one.
go test -c -o "$dir/bench.test" ./bench
i=0
while [ "$i" -lt "${COUNT:-6}" ]; do
    (cd bench && "$dir/bench.test" -test.run '^$' -test.bench "${RUN:-.}" -test.benchtime "${BENCHTIME:-200ms}" -test.timeout 120m) >>"$dir/new" ||
        { cat "$dir/new" >&2; exit 1; }
    i=$((i + 1))
done

# Of the kept run only what was run here; the names benchstat prints are those of
# the files. Toolchain and loops may differ: they may be what is compared.
awk 'NR == FNR { if (/^Benchmark/) here[$1] = 1; next } !/^Benchmark/ || $1 in here' "$dir/new" "$old" >"$dir/kept"
cd "$dir"
ignore=go,loops,governor
go run "$benchstat" -ignore "$ignore" kept new
go run "$benchstat" -ignore "$ignore" -format csv kept new >csv 2>/dev/null
awk -F, -v limit="${LIMIT:-10}" '
    /^,sec\/op/ { time = 1; next }
    /^,/ { time = 0 }
    time && $1 != "geomean" && $2 != "" && $4 != "" {
        compared++
        was = $3; sub(/%$/, "", was)
        now = $5; sub(/%$/, "", now)
        # An infinite interval, of too few runs, becomes 0 in arithmetic: it overlaps.
        apart = was ~ /^[0-9.]+$/ && now ~ /^[0-9.]+$/ && $4 * (1 - now / 100) > $2 * (1 + was / 100)
        if ($6 ~ /^\+/ && apart && 100 * ($4 / $2 - 1) >= limit) {
            printf "slower: %s %s (%s)\n", $1, $6, $7
            slower++
        }
    }
    END {
        printf "%d benchmarks compared, %d slower by %s %% or more\n", compared, slower, limit
        if (!compared) exit 2
        exit slower > 0
    }' csv || {
    status=$?
    if [ "$status" = 2 ]; then
        echo "bench-compare: nothing in common; kept (<) and here (>):" >&2
        grep -hE '^[a-z-]+: ' kept | sort -u >a
        grep -hE '^[a-z-]+: ' new | sort -u >b
        diff a b | grep '^[<>]' >&2 || true
    fi
    exit 1
}
