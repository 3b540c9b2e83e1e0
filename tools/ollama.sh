#!/usr/bin/env bash
# Find an Ollama server, or build the pinned one into .tools/ (ignored by git).
# Prints the path of the binary as the last line. Safe to run again: a finished build is kept.
# Never installs system packages: `make tools` does that, and only when asked.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.17.4
malgo=v0.11.24        # the Go module that ships miniaudio.h, which Ollama's module archive leaves out
built="$PWD/.tools/ollama-$version/ollama"

say() { echo "ollama: $*" >&2; }
die() { say "$*"; exit 1; }
counted() {     # Go names each package when it is compiled: a line for fifty of them; whatever else it says is passed on
    local n=0 line
    while read -r line; do
        case "$line" in
            *[!A-Za-z0-9._/-]*) echo "$line" >&2 ;;
            *) n=$((n + 1)); [ $((n % 50)) != 0 ] || say "    $n packages are compiled" ;;
        esac
    done
}

if [ "${1:-}" != "--build" ] && found=$(command -v ollama); then
    say "found on PATH: $("$found" --version 2>/dev/null | grep -o 'version is .*' || true)"
    echo "$found"; exit 0
fi
if [ -x "$built" ]; then say "already built: version $version"; echo "$built"; exit 0; fi

command -v go >/dev/null || die "no ollama on PATH and no Go to build one. Install Ollama from ollama.com/download, or Go 1.24 or newer, then run 'make ollama' again."
command -v c++ >/dev/null || die "Go needs a C++ compiler for this build (Debian: apt-get install g++), then run 'make ollama' again."
for header in nlohmann/json.hpp:nlohmann-json3-dev stb/stb_image.h:libstb-dev; do
    echo "#include <${header%%:*}>" | c++ -E -x c++ - >/dev/null 2>&1 \
        || die "the C++ header ${header%%:*} is missing (Debian: 'make tools' installs ${header##*:}), then run 'make ollama' again."
done

include="$PWD/.tools/include"
mkdir -p "$include/miniaudio" "$(dirname "$built")"
say "1/3 fetching sources of Ollama $version"
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
malgo_dir=$(cd "$scratch" && go mod download -json "github.com/gen2brain/malgo@$malgo" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
[ -f "$malgo_dir/miniaudio.h" ] || die "miniaudio.h is not in the Go module malgo $malgo"
ln -sf "$malgo_dir/miniaudio.h" "$include/miniaudio/miniaudio.h"
(cd "$scratch" && go mod download "github.com/ollama/ollama@v$version")
say "2/3 compiling (three to five minutes on two cores)"
# -O2 alone keeps the baseline x86-64 build whose `create --quantize` writes the bytes ggml writes;
# a build with fused multiply-add writes others.
(cd "$scratch" && GOBIN="$scratch/bin" GOFLAGS=-mod=mod CGO_CFLAGS="-O2" CGO_CXXFLAGS="-O2 -I$include" \
    go install -v -ldflags "-X github.com/ollama/ollama/version.Version=$version" "github.com/ollama/ollama@v$version") 2>&1 | counted
mv "$scratch/bin/ollama" "$built"       # the name appears only when the build is whole
say "3/3 done: $("$built" --version 2>/dev/null | grep -o 'version is .*' || true)"
echo "$built"
