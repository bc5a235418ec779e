#!/usr/bin/env bash
#
# Runs the tests: the house's rules and the unit tests first, then those that need the machine to themselves, then broker,
# then e2e. All of them are run, even where one fails, so that one run tells everything. PYTEST_ARGS goes to each; a stage
# where it selects nothing is no failure, unless none selects anything.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

readonly NOTHING_SELECTED=5 # pytest's exit code
status=$NOTHING_SELECTED
failed=""

stage() {
    local name=$1 code=0
    shift
    echo "loadtest: tests: $name"
    # shellcheck disable=SC2086 # PYTEST_ARGS is words
    .venv/bin/python -m pytest "$@" ${PYTEST_ARGS:-} || code=$?
    case $code in
        0) [ "$status" -eq "$NOTHING_SELECTED" ] && status=0 ;;
        "$NOTHING_SELECTED") ;;
        *)
            status=$code
            failed="$failed $name"
            ;;
    esac
}

workers=${TEST_WORKERS:-2}
waiting_workers=${TEST_WORKERS:-3} # these tests wait for nodes and for runs about half of their time
stage house tests/house -n "$workers" --dist loadgroup -m "not long"
stage unit tests/unit -n "$workers" --dist loadgroup -m "not long"
stage alone tests/broker tests/e2e -m "alone and not long"
stage broker tests/broker -n "$waiting_workers" --dist loadgroup -m "not alone and not long"
stage e2e tests/e2e -n "$waiting_workers" --dist loadgroup -m "not alone and not long"

if [ -n "$failed" ]; then echo "loadtest: failed:$failed" >&2; fi
exit "$status"
