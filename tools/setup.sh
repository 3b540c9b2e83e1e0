#!/usr/bin/env bash
# Make .venv and install the project into it: `tools/setup.sh` for learners, `tools/setup.sh dev` for tests too.
# Uses uv when present, else venv and pip. Safe to run again. Installs nothing outside the project folder.
set -euo pipefail
cd "$(dirname "$0")/.."
wants=${1:-lab}
case "$wants" in lab) what="." ;; app) what=".[app]" ;; dev) what=".[dev,oracles,app]" ;; *) echo "setup: '$wants' is not lab, app or dev" >&2; exit 2 ;; esac

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$candidate"; return; }
    done
    echo "setup: no Python 3.11, 3.12 or 3.13 found. Install one (python.org, conda, or 'uv python install 3.12') and run this again;" >&2
    echo "       PYTHON=/path/to/python make lab chooses a particular one." >&2
    exit 1
}

if command -v uv >/dev/null 2>&1; then
    [ -x .venv/bin/python ] || uv venv --quiet --python "$(find_python)" .venv
    uv pip install --quiet --python .venv/bin/python --constraint constraints.txt --editable "$what"
else
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        python=$(find_python)
        rm -rf .venv
        "$python" -m venv .venv || { rm -rf .venv; echo "setup: '$python -m venv' failed (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
    fi
    echo "setup: installing packages into .venv (half a minute with a warm cache, a few minutes without)" >&2
    # A current pip needs a third of the time of the one that Python 3.11 bundles; compiling is left to the first import.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable "$what"
fi
touch ".venv/.ready-$wants"
[ "$wants" = lab ] || touch .venv/.ready-lab
