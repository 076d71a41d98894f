#!/bin/sh
# Formats the C sources as .clang-format says. With --check it changes nothing and fails
# if one is not formatted. Versions of clang-format differ in details, so only version
# 14 counts; without it nothing is done.
set -eu
cd "$(dirname "$0")/.."
what=-i
[ "${1:-}" = --check ] && what="--dry-run -Werror"
for format in clang-format-14 clang-format; do
    if command -v "$format" >/dev/null && "$format" --version | grep -q 'version 14\.'; then
        # shellcheck disable=SC2046,SC2086
        exec "$format" $what $(git ls-files '*.c' '*.h')
    fi
done
echo "format-c: no clang-format 14: C sources are left alone"
