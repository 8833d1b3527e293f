#!/bin/sh
# Makes the virtual environment: scripts/bootstrap.sh PYTHON VENV
# As root on Debian it installs what Python itself is missing; elsewhere it says what to install.
set -eu
python=$1
venv=$2

# need PACKAGE...: install Debian packages, or say so.
need() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $* ..." >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "error: missing: $*; install it with your package manager" >&2
        exit 1
    fi
}

command -v "$python" >/dev/null 2>&1 || need python3 python3-venv
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: $("$python" --version) is too old; tunnelwright needs Python 3.11 or later" >&2
    echo "hint: name another one: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi
"$python" -c 'import ensurepip' >/dev/null 2>&1 || need python3-venv
command -v git >/dev/null 2>&1 || need git

echo "Installing Python packages into $venv ..." >&2
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
