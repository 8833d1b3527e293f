#!/bin/sh
# Runs the whole test suite: scripts/suite.sh PYTEST WORKERS ROUTER_WORKERS FOLDER
# Tests with real routers wait most of their time, for packets and time limits, and a core that is busy when a
# packet comes loses it. A virtual machine that gets too little of the processors stalls. So these two share them,
# and the tests that need no router take, at the lowest priority, what both leave. FOLDER has what they print until
# they have ended.
set -eu
pytest=$1 workers=$2 routers=$3
mkdir -p "$4"
folder=$(cd "$4" && pwd)
python=$(dirname "$pytest")/python
# Scripts of routers run in namespaces of this machine too, where they need its nft, and the page is shown to a
# browser; without them these tests are skipped.
"$python" -c 'from lab.engine import install_missing; install_missing({"nft": "nftables", "chromium": "chromium"})' || true
# The process that starts the private engine notes it there; it runs until no process needs it any more.
export TUNNELWRIGHT_TESTS_STARTED="$folder/engine-started"
rm -f "$TUNNELWRIGHT_TESTS_STARTED"

beside() { # NICENESS LOG OPTION...: runs pytest beside the others; its process is $!
    niceness=$1 log=$2
    shift 2
    # Where the kernel divides the processors among sessions (sched_autogroup), `nice` has an effect inside a
    # session only, and the routers' containers are outside. The session itself has a priority as well.
    # shellcheck disable=SC2016  # this text is for the other shell
    setsid nice -n "$niceness" sh -c 'echo "$0" 2>/dev/null >/proc/self/autogroup || true; exec "$@"' \
        "$niceness" "$pytest" "$@" >"$log" 2>&1 &
}

beside 19 "$folder/plain.log" -m "not engine" --numprocesses "$workers"
plain=$!
beside 0 "$folder/machines.log" -m "engine and machine"
machines=$!
# The end of this script is the end of all of them.
trap '
    kill "$plain" "$machines" 2>/dev/null || true
    [ ! -e "$TUNNELWRIGHT_TESTS_STARTED" ] || "$python" -c "from lab.engine import stop; stop()"
' EXIT
trap 'exit 130' INT TERM
status=0
echo "With real routers ($routers at a time; the others run beside them, see $folder):"
"$pytest" -m "engine and not machine" --numprocesses "$routers" || status=$?
echo "With virtual machines, one at a time:"
wait "$machines" || status=$?
cat "$folder/machines.log"
echo "Without routers ($workers at a time):"
wait "$plain" || status=$?
cat "$folder/plain.log"
exit "$status"
