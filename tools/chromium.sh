#!/usr/bin/env bash
#
# Sees to it that there is a Chromium for the tests of pages: the one that LOADTEST_CHROMIUM names, the machine's, or else
# Debian's, which it installs where it may. Written for the bash 3.2 of macOS.

set -euo pipefail

say() { echo "loadtest: $*" >&2; }

find_chromium() {
    [ -n "${LOADTEST_CHROMIUM:-}" ] && return # the tests say so if it is of no use
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

main() {
    find_chromium && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "the tests of pages need Chromium; install it (on Debian: apt-get install chromium), or name one by LOADTEST_CHROMIUM"
        exit 3
    fi
    say "installing chromium for the tests of pages (a minute or two)"
    apt-get update -qq </dev/null >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core </dev/null >&2
    find_chromium
}

# Its tests read the functions and run them one by one.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main; fi
