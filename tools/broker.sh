#!/usr/bin/env bash
#
# Sees to it that there is a broker to be had: an address in one of the named environment variables, or the machine's
# rabbitmq-server, or else Debian's, which it installs where it may. It starts nothing: loadtest starts private nodes itself.
#
#   tools/broker.sh LOADTEST_BROKER AMQP_URL   the variables that make a server on this machine unnecessary
#
# While apt-get works, no service may start: a broker of the machine's own, and the epmd beside it, would listen on all
# interfaces. Written for the bash 3.2 of macOS.

set -euo pipefail

policy=/usr/sbin/policy-rc.d # asked by Debian's package scripts before they start a service; 101 says no
kept_policy=$policy.kept-by-loadtest
mark="# Written by loadtest's tools/broker.sh for the time of one apt-get; without one running, delete it."

say() { echo "loadtest: $*" >&2; }
fail() {
    say "$*"
    exit 3
}

find_server() {
    local place
    [ -n "${LOADTEST_RABBITMQ_SERVER:-}" ] && return # a folder that the user named; loadtest says so if it is of no use
    command -v rabbitmq-server >/dev/null && return
    for place in /usr/lib/rabbitmq/bin /usr/sbin /usr/local/sbin /usr/local/opt/rabbitmq/sbin /opt/homebrew/opt/rabbitmq/sbin; do
        [ -e "$place/rabbitmq-server" ] && return
    done
    return 1
}

# Puts things back as they were, also those that a killed run left behind.
restore_policy() {
    if grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
    if [ -e "$kept_policy" ] && [ ! -e "$policy" ]; then mv "$kept_policy" "$policy"; fi
}

forbid_services() {
    local answer=0
    restore_policy
    if [ -x "$policy" ]; then
        "$policy" rabbitmq-server start </dev/null >/dev/null 2>&1 || answer=$?
        [ "$answer" -eq 101 ] && return # it forbids already
    fi
    if [ -e "$policy" ]; then mv "$policy" "$kept_policy"; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
}

# A service that is enabled starts with the machine, long after the policy is gone.
disable_services() {
    if command -v systemctl >/dev/null; then
        systemctl disable --quiet rabbitmq-server.service epmd.service epmd.socket >/dev/null 2>&1 ||
            say "could not disable the services of rabbitmq-server and epmd: they may start with the machine"
    elif command -v update-rc.d >/dev/null; then
        update-rc.d rabbitmq-server disable >/dev/null 2>&1 || say "could not disable the service of rabbitmq-server"
    fi
}

apt_get() { apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }

# Runs as root.
install_server() {
    export DEBIAN_FRONTEND=noninteractive
    trap restore_policy EXIT
    trap 'exit 130' HUP INT TERM
    forbid_services
    apt_get update || echo "apt-get update failed; going on with the package lists that are there"
    apt_get install --yes --no-install-recommends rabbitmq-server
    disable_services
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

install_or_explain() {
    local log way="name a broker (make run BROKER=amqp://user:password@host:5672/) or install RabbitMQ's server"
    if ! command -v apt-get >/dev/null; then
        fail "no broker and no rabbitmq-server here: $way"
    elif [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
        fail "no broker and no rabbitmq-server here, and no right to install it: $way (as root: apt-get install rabbitmq-server)"
    fi
    log=$(mktemp)
    say "installing Debian's rabbitmq-server with apt-get (about a minute; no service is started)"
    if ! as_root bash "${BASH_SOURCE[0]}" --install 2>&1 | tee "$log" |
        awk '/^(Get:|Unpacking|Setting up)/ { printf "."; fflush(); n++ } END { if (n) print "" }' >&2; then
        tail -n 15 "$log" >&2
        fail "apt-get could not install rabbitmq-server (all it said: $log): $way"
    fi
    rm -f "$log"
    find_server || fail "apt-get installed rabbitmq-server, but it is not where it should be: $way"
}

main() {
    local name
    if [ "${1:-}" = --install ]; then
        install_server
        return
    fi
    for name in "$@"; do
        [ -n "${!name:-}" ] && return
    done
    find_server || install_or_explain
}

# Its tests read the functions and run them one by one.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
