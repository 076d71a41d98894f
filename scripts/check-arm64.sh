#!/bin/sh
# Cross-compiles the tests of the packages in C for arm64 and runs them under qemu's user
# emulation: NEON against Go, bit for bit, the eigenvalue solver, and the bindings of
# OpenBLAS. Works on Debian and Ubuntu on other processors than arm64; compiler, emulator
# and the libraries for arm64 (below .build, as no package of the system) are installed if
# missing. Elsewhere, or without the network, it says so and does nothing.
#
#   PACKAGES  what to test (default all of them)
#   TIMEOUT   of the tests of each package (default 60m)
#   SHORT     1 leaves out the longest tests (default 1); 0 runs all
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

skip() {
    echo "check-arm64: skipped: $1"
    exit 0
}

[ "$(uname -s)" = Linux ] || skip "no Linux"
case $(uname -m) in aarch64 | arm64) skip "this is an arm64: make test tests it" ;; esac
command -v apt-get >/dev/null || skip "no apt-get, which would install the cross compiler"
dir=$PWD/.build/arm64
mkdir -p "$dir"
if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    apt_install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user >"$dir/install.log" 2>&1 ||
        skip "gcc-aarch64-linux-gnu and qemu-user cannot be installed (see .build/arm64/install.log)"
fi

# The libraries are unpacked, not installed: the lists of packages of another architecture
# are kept apart from those of the system.
root=$dir/root
if ! [ -e "$root/complete" ]; then
    mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial" "$dir/debs" "$root"
    : >"$dir/status"
    apt="apt-get -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State=$dir/state
        -o Dir::State::status=$dir/status -o Dir::Cache=$dir/cache"
    gcc=$(aarch64-linux-gnu-gcc -dumpversion | cut -d. -f1)
    # shellcheck disable=SC2086
    {
        $apt update && (cd "$dir/debs" && $apt download libopenblas-pthread-dev liblapacke-dev libtmglib-dev "libgfortran-$gcc-dev")
    } >>"$dir/install.log" 2>&1 || skip "the libraries for arm64 cannot be had (see .build/arm64/install.log)"
    for deb in "$dir"/debs/*.deb; do
        dpkg -x "$deb" "$root"
    done
    touch "$root/complete"
fi

lib=$root/usr/lib/aarch64-linux-gnu
fortran=$(dirname "$(find "$root/usr/lib" -name libgfortran.a)")
export CC=aarch64-linux-gnu-gcc CGO_ENABLED=1 GOARCH=arm64
export CGO_LDFLAGS="-L$lib -L$lib/openblas-pthread -L$fortran"
# Static programs need no loader, which does not start under every emulator.
static="-linkmode external -extldflags '-static -Wl,--start-group -llapacke -lopenblas -ltmglib -lgfortran -lm -lpthread -ldl -Wl,--end-group'"
packages=${PACKAGES:-internal/twostage internal/intgram lapack internal/kernel internal/ggml internal/modp cblas}
short=
if [ "${SHORT:-1}" = 1 ]; then
    short=-test.short
    echo "check-arm64: short tests; left out (SHORT=0 runs all, which takes long):"
    echo "  intgram: TestWide; in TestKinds and TestKinds16 orders of 50 (19 runs) and all lengths but one"
    echo "  twostage: most orders above 200; what remains above 800 runs in NEON only"
    echo "  lapack: order 577, and three of four rounds of concurrent problems"
fi
for pkg in $packages; do
    go test -c -ldflags "$static" -o "$dir/$(basename "$pkg").test" "./$pkg" 2>"$dir/link.log" ||
        { cat "$dir/link.log"; exit 1; }
done
# As many packages at once as there are processors; what they print, one after the other.
failed=0
# shellcheck disable=SC2016
printf '%s\n' $packages | xargs -n 1 -P "$(nproc)" sh -c '
    name=$(basename "$4")
    cd "$4" && qemu-aarch64 "$1/$name.test" $2 -test.timeout "$3" >"$1/$name.log" 2>&1
' sh "$dir" "$short" "${TIMEOUT:-60m}" || failed=1
for pkg in $packages; do
    echo "check-arm64: $pkg"
    cat "$dir/$(basename "$pkg").log"
done
[ $failed = 0 ] || { echo "check-arm64: failed"; exit 1; }
echo "check-arm64: passed"
