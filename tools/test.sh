#!/usr/bin/env bash
#
# Runs the tests: those that need the machine to themselves first; then broker and e2e, which wait for nodes and for runs
# about half of their time, and beside them, with what processor time they leave, the house's rules and the unit tests.
# All of them are run, even where one fails, so that one run tells everything. PYTEST_ARGS goes to each; a stage where it
# selects nothing is no failure, unless none selects anything.
#
#   tools/test.sh        all but those that take minutes
#   tools/test.sh long   only those

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

case "${1:-}" in
    "") readonly AMONG="not long" ;;
    long) readonly AMONG="long" ;;
    *)
        echo "loadtest: tools/test.sh takes nothing, or 'long', not '$1'" >&2
        exit 2
        ;;
esac

readonly NOTHING_SELECTED=5 # pytest's exit code
status=$NOTHING_SELECTED
failed=""
beside=""
log=$(mktemp)

take_code() {
    local name=$1 code=$2
    case $code in
        0) [ "$status" -eq "$NOTHING_SELECTED" ] && status=0 ;;
        "$NOTHING_SELECTED") ;;
        *)
            status=$code
            failed="$failed $name"
            ;;
    esac
}

stage() {
    local name=$1 code=0
    shift
    echo "loadtest: tests: $name"
    # shellcheck disable=SC2086 # PYTEST_ARGS is words
    .venv/bin/python -m pytest "$@" ${PYTEST_ARGS:-} || code=$?
    take_code "$name" "$code"
}

# In a process group of its own: bash has a job of a script ignore Ctrl-C, and the tests of signals with it.
begin_beside() {
    set -m
    # shellcheck disable=SC2086 # PYTEST_ARGS is words
    nice -n 10 .venv/bin/python -m pytest "$@" ${PYTEST_ARGS:-} </dev/null >"$log" 2>&1 &
    beside=$!
    set +m
}

end_beside() {
    local name=$1 code=0
    wait "$beside" || code=$?
    beside=""
    echo "loadtest: tests: $name"
    cat "$log"
    take_code "$name" "$code"
}

clean_up() {
    if [ -n "$beside" ]; then kill -- "-$beside" 2>/dev/null; fi
    rm -f "$log"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

stage alone tests/broker tests/e2e -m "alone and $AMONG"
begin_beside tests/house tests/unit -n "${TEST_WORKERS:-2}" --dist loadgroup -m "$AMONG"
stage "broker, e2e" tests/broker tests/e2e -n "${TEST_WORKERS:-4}" --dist loadgroup -m "not alone and $AMONG"
end_beside "house, unit"

if [ -n "$failed" ]; then echo "loadtest: failed:$failed" >&2; fi
exit "$status"
