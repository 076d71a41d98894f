#!/bin/sh
# Checks whether a C compiler, OpenBLAS and LAPACKE can be used, installs what is
# missing, and writes 1 to .build/cgo. If that fails, it says so in one line and writes
# 0: everything then runs in pure Go, more slowly.
set -u
mkdir -p .build

# usable compiles and links a program with the libraries that the cgo packages need.
usable() {
    dir=$(mktemp -d) || return 1
    cat >"$dir/probe.c" <<'C'
#ifdef __APPLE__
#include <Accelerate/Accelerate.h>
int main(void) { return 0; }
#else
int LAPACKE_dsyev_work();
void cblas_dsyrk();
void dsyevd_();
int main(void) { return (void *)LAPACKE_dsyev_work == 0 || (void *)cblas_dsyrk == 0 || (void *)dsyevd_ == 0; }
#endif
C
    if [ "$(uname -s)" = Darwin ]; then
        libs="-framework Accelerate"
    else
        libs="-llapacke -lopenblas -ldl"
    fi
    # shellcheck disable=SC2086
    ${CC:-cc} -o "$dir/probe" "$dir/probe.c" $libs >"$dir/log" 2>&1
    ok=$?
    rm -rf "$dir"
    return $ok
}

. scripts/packages.sh

install_libraries() {
    if [ "$(uname -s)" = Darwin ]; then
        # The command-line tools contain Accelerate and the compiler.
        xcode-select --install >/dev/null 2>&1
    elif command -v apt-get >/dev/null; then
        apt_install gcc libc6-dev libopenblas-dev liblapacke-dev
    elif command -v dnf >/dev/null; then
        as_root dnf install -y gcc openblas-devel lapack-devel
    elif command -v brew >/dev/null; then
        brew install openblas lapack
    else
        return 1
    fi
}

if [ "${CGO_ENABLED:-1}" = 0 ]; then
    echo "setup: CGO_ENABLED=0: using the pure-Go backend"
    echo 0 >.build/cgo
elif usable; then
    echo 1 >.build/cgo
else
    echo "setup: installing OpenBLAS and LAPACKE"
    install_libraries >.build/setup.log 2>&1
    if usable; then
        echo 1 >.build/cgo
    else
        echo "setup: no C compiler with OpenBLAS and LAPACKE is available (see .build/setup.log): using the pure-Go backend, several times slower"
        echo 0 >.build/cgo
    fi
fi

# `make lint` checks the format of C sources where it finds this version.
if [ "${CI:-}" = true ] && command -v apt-get >/dev/null && ! command -v clang-format-14 >/dev/null; then
    apt_install clang-format-14 >>.build/setup.log 2>&1 ||
        echo "setup: clang-format-14 cannot be had: the format of C sources is not checked"
fi
