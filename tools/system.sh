#!/usr/bin/env bash
# `make tools`, and CI: what the tests need beyond Python. Debian packages (Chromium, npm, a compiler, cmake), an Ollama
# server, the test models, llama.cpp's own quantizer, a Python in WebAssembly, and Pyodide. The only script here that installs
# system packages; it says what before it does.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v npm >/dev/null || missing+=(npm)
if [ "${CI:-}" = true ] || ! command -v ollama >/dev/null; then
    command -v c++ >/dev/null || missing+=(g++)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v ninja >/dev/null || missing+=(ninja-build)
fi
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || { echo "tools: please install ${missing[*]} with your system's package manager (only Debian's is known here)" >&2; exit 1; }
    run=(); [ "$(id -u)" = 0 ] || run=(sudo)
    echo "tools: installing system packages: ${missing[*]}" >&2
    "${run[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
tools/ollama.sh >/dev/null
.venv/bin/python tools/test_models.py
.venv/bin/python tools/llama_quantize.py
.venv/bin/python tools/wasm_python.py
.venv/bin/python tools/pyodide.py >/dev/null
