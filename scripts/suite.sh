#!/bin/sh
# Runs the whole test suite: scripts/suite.sh PYTEST WORKERS ROUTER_WORKERS FOLDER
# Tests with real routers wait most of their time, for packets and time limits, and a core that is busy when a
# packet comes loses it. So the virtual machines take what those leave of the processors, and the tests that
# need no router, at the lowest priority, what both leave. FOLDER has what they print until they have ended.
set -eu
pytest=$1 workers=$2 routers=$3
mkdir -p "$4"
folder=$(cd "$4" && pwd)
python=$(dirname "$pytest")/python
# The process that starts the private engine notes it there; it runs until no process needs it any more.
export TUNNELWRIGHT_TESTS_STARTED="$folder/engine-started"
rm -f "$TUNNELWRIGHT_TESTS_STARTED"
nice -n 19 "$pytest" -m "not engine" --numprocesses "$workers" >"$folder/plain.log" 2>&1 &
plain=$!
nice -n 10 "$pytest" -m "engine and machine" >"$folder/machines.log" 2>&1 &
machines=$!
# The end of this script ends them all.
trap '
    kill "$plain" "$machines" 2>/dev/null || true
    [ ! -e "$TUNNELWRIGHT_TESTS_STARTED" ] || "$python" -c "from lab.engine import stop; stop()"
' EXIT
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
