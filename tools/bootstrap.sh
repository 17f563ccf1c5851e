#!/bin/sh
# Make .venv ready: `tools/bootstrap.sh` with what maild needs, `tools/bootstrap.sh dev` with the tools for developers.
# Does nothing when pyproject.toml has not changed since the last time.
set -eu
cd "$(dirname "$0")/.."

extras=${1:-}
venv=.venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

say() { printf '%s\n' "maild: $*" >&2; }
fail() { say "$*"; exit 1; }

# pyenv puts a python3 first that may be too old or not there at all; Debian's own comes second.
find_python() {
    for candidate in ${PYTHON:-python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or newer: install it (Debian 12 or later: apt-get install python3), or name one as in: make run PYTHON=/path/to/python3"
}

# Debian's python3 comes without what a virtual environment is made from.
install_venv_package() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "$python cannot make a virtual environment; install the venv module of your system's Python, then try again"
    tools/apt-install.sh python3-venv
}

make_venv() {
    rm -rf "$venv"
    "$python" -m venv "$venv" >/dev/null 2>&1
}

python=$(find_python)
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making a virtual environment in $venv"
    if ! make_venv; then
        install_venv_package
        make_venv || fail "$python cannot make a virtual environment; see what this says: $python -m venv $venv"
    fi
fi

now="$(cksum <pyproject.toml) $("$venv/bin/python" -V)"
is_ready() { [ -f "$venv/ready-$1" ] && [ "$(cat "$venv/ready-$1")" = "$now" ]; }
if is_ready dev || { [ -z "$extras" ] && is_ready run; }; then
    exit 0
fi

say "installing Python packages into $venv (once; about a minute)"
"$venv/bin/python" -m pip install -qq --editable ".${extras:+[$extras]}" ||
    fail "the Python packages could not be installed; the lines above say why. Is the network there? Then try again"
printf '%s\n' "$now" >"$venv/ready-${extras:-run}"
