#!/bin/sh
# Runs the whole test suite: scripts/suite.sh PYTEST WORKERS ROUTER_WORKERS LOG
# Tests with real routers wait most of their time, for packets and time limits, and a core that is busy when a
# packet comes loses it. So the tests that need no router take, at the lowest priority, what the others leave of
# the processors; LOG has what they print until they have ended. The tests that no other test with routers may
# disturb come after those.
set -eu
pytest=$1 workers=$2 routers=$3 log=$4
mkdir -p "$(dirname "$log")"
nice -n 19 "$pytest" -m "not engine" --numprocesses "$workers" >"$log" 2>&1 &
plain=$!
# Whoever ends this script ends them all.
trap 'kill "$plain" 2>/dev/null || true' EXIT
status=0
echo "With real routers ($routers at a time; those without run beside them, see $log):"
"$pytest" -m "engine and not alone" --numprocesses "$routers" || status=$?
echo "With real routers, one at a time:"
"$pytest" -m "engine and alone" || status=$?
echo "Without routers ($workers at a time):"
wait "$plain" || status=$?
trap - EXIT
cat "$log"
exit "$status"
