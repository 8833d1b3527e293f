#!/bin/sh
# Ends whatever a command that was given up has started: every process with $1 in its environment. All are asked
# first. It looks until there are none, since one may start another while it ends.
signal=TERM
for _ in 1 2 3 4 5 6 7 8 9 10; do
    # Its exit status counts processes that have gone by themselves.
    there=$(grep -lsF "TUNNELWRIGHT_COMMAND=$1" /proc/[0-9]*/environ)
    [ -n "$there" ] || exit 0
    for file in $there; do
        process=${file%/environ}
        kill -s "$signal" "${process#/proc/}" 2>/dev/null
    done
    sleep 1
    signal=KILL
done
