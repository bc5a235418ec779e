#!/usr/bin/env bash
#
# Makes .venv, with the packages of the lock and this checkout in it. Where that was done before, it returns in a moment
# and downloads nothing.
#
#   tools/venv.sh run   what `make run` and `make web` need
#   tools/venv.sh dev   that, and what checks and tests need
#
# Needs a Python of at least 3.11 with its venv module. Uses uv where there is one, else pip.
# PYTHON=python3.12 picks the interpreter. Written for the bash 3.2 of macOS.

set -euo pipefail

asked_python=${PYTHON:-}
record=.venv/installed # the level and the key of what is installed
log=.venv/install.log

say() { echo "loadtest: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

# What the caller's environment says about Python and pip for other projects does not hold for this one.
forget_environment() {
    local name
    for name in $(compgen -e | grep '^PYTHON' || true); do unset "$name"; done
    unset VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_CONSTRAINT PIP_REQUIREMENT PIP_DRY_RUN PIP_REQUIRE_HASHES
}

is_new_enough() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${asked_python:-python3 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if [ -n "$asked_python" ]; then
        fail "$asked_python does not run, or is older than Python 3.11"
    elif command -v python3 >/dev/null; then
        fail "needs Python 3.11 or newer, and python3 is $(python3 -V 2>&1); install one, or name one: make run PYTHON=/path/to/python3.12"
    else
        fail "needs Python 3.11 or newer, and there is no python3; on Debian and Ubuntu: apt-get install python3 python3-venv"
    fi
}

# Changes with everything that the content of .venv depends on, the place of the checkout among it.
print_key() {
    "$python" -I -c '
import hashlib, pathlib, sys
digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {pathlib.Path.cwd()}".encode())
for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock", "tools/venv.sh"):
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())'
}

make_venv() {
    rm -rf .venv
    if "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then
        say "making .venv with $("$python" -V)"
        "$python" -I -m venv .venv
    elif command -v uv >/dev/null; then
        say "making .venv with $("$python" -V) and uv"
        uv venv --quiet --python "$python" .venv
    else
        fail "the venv module of $python is missing; on Debian and Ubuntu: apt-get install python3-venv"
    fi
}

# Runs an installer with its output in the log, and a dot for each package that it comes to.
with_dots() {
    "$@" </dev/null 2>&1 | tee -a "$log" | awk '/^(Collecting|Installing| \+ )/ { printf "."; fflush(); n++ } END { if (n) print "" }' >&2
}

install_with_uv() {
    command -v uv >/dev/null || return 1
    with_dots uv pip install --python .venv/bin/python --require-hashes -r "$1" &&
        with_dots uv pip install --python .venv/bin/python --no-deps --no-build-isolation -e .
}

pip_install() {
    with_dots .venv/bin/python -m pip --disable-pip-version-check --no-input install --progress-bar off "$@"
}

install_with_pip() {
    [ -x .venv/bin/pip ] || return 1
    pip_install --require-hashes -r "$1" && pip_install --no-deps --no-build-isolation -e .
}

install_lock() {
    local lock=$1
    say "installing the $(grep -c '^[a-z]' "$lock") packages of $lock (under a minute the first time)"
    : >"$log"
    # uv does not read pip's configuration: behind a mirror that only pip knows, pip still works.
    if ! install_with_uv "$lock" && ! install_with_pip "$lock"; then
        tail -n 15 "$log" >&2
        fail "the packages of $lock could not be installed, for the reason above (all of it: $log); they come from the package index of pip"
    fi
}

main() {
    local level=$1 lock key installed
    case $level in
        run) lock=requirements.lock ;;
        dev) lock=requirements-dev.lock ;;
        *) fail "no such level: $level" ;;
    esac
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    forget_environment
    python=$(find_python)
    key=$(print_key)
    installed=$(cat "$record" 2>/dev/null || true)

    if [ "$installed" = "dev $key" ] || [ "$installed" = "$level $key" ]; then return; fi
    if [ "$installed" != "run $key" ]; then make_venv; fi
    rm -f "$record" # until all is installed, nothing is
    install_lock "$lock"
    echo "$level $key" >"$record"
}

# Its tests read the functions and run them one by one.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "${1:?which? run or dev}"; fi
