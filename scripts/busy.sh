#!/bin/sh
# Runs a command while every core has other work: scripts/busy.sh COMMAND...
# One process for each core and one more, at a low priority (NICE), so that whatever waits for its turn waits
# longer. They end with this script, however that ends.
set -eu
number=$(($(nproc) + 1))
# shellcheck disable=SC2016 # the shells that do the work expand it
work='while kill -0 "$1" 2>/dev/null; do i=0; while [ "$i" -lt 50000 ]; do i=$((i + 1)); done; done'
while [ "$number" -gt 0 ]; do
    nice -n "${NICE:-5}" sh -c "$work" busy "$$" &
    number=$((number - 1))
done
status=0
"$@" || status=$?
exit "$status"
