#!/bin/sh
# Runs the benchmarks and compares their times, with benchstat, with those of the newest
# run stored in bench/runs. It fails if the time of a benchmark has grown by LIMIT per
# cent or more, the difference is significant, and the confidence intervals do not
# overlap. It also fails if nothing can be compared, because the stored run is of another
# machine, of other kernels, or of another number of cores.
#
#   COUNT      number of runs of each benchmark (default 6: benchstat needs as many)
#   OLD        the raw.txt to compare with (default that of the newest stored run)
#   RUN        regular expression that selects benchmarks (default all)
#   LIMIT      slowdown that is an error, in per cent (default 10)
#   BENCHTIME  duration of each run (default 200ms, as in the stored runs)
#
# Use as many cores as the stored run did, for instance taskset -c 1 make bench-compare.
set -eu
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
old=${OLD:-$(ls bench/runs/*/raw.txt 2>/dev/null | sort | tail -n 1)}
if [ -z "$old" ]; then
    echo "bench-compare: bench/runs holds no run to compare with" >&2
    exit 1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The command restarts itself with the right OpenBLAS kernels; a test binary does not.
better=$(WWQ_RESTARTED=1 go run ./cmd/wwq-fast env --json | sed -n 's/.*"better_core": "\(.*\)".*/\1/p')
if [ -n "$better" ] && [ -z "${OPENBLAS_CORETYPE:-}" ]; then
    export OPENBLAS_CORETYPE="$better"
fi

# All benchmarks run once before any runs again, so that a disturbance of the machine
# does not affect all runs of one benchmark.
go test -c -o "$dir/bench.test" ./bench
i=0
while [ "$i" -lt "${COUNT:-6}" ]; do
    (cd bench && "$dir/bench.test" -test.run '^$' -test.bench "${RUN:-.}" -test.benchtime "${BENCHTIME:-200ms}" -test.timeout 120m) >>"$dir/new" ||
        { cat "$dir/new" >&2; exit 1; }
    i=$((i + 1))
done

# Only the benchmarks of the stored run that were run here are compared. The file names
# are the column heads of benchstat. Go version and loops may differ, because they may
# be what the user wants to compare.
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
        # An interval is infinite if there are too few runs; then it overlaps.
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
        echo "bench-compare: no benchmark in common; stored run (<) and this run (>):" >&2
        grep -hE '^[a-z-]+: ' kept | sort -u >a
        grep -hE '^[a-z-]+: ' new | sort -u >b
        diff a b | grep '^[<>]' >&2 || true
    fi
    exit 1
}
