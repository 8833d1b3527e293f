#!/bin/sh
# Ends the ping $1, and writes and removes what it has written to the file $2.
# A router that stands still for a moment answers late, which is no loss. So the ping ends after its next reply, if
# one comes within a second: what was sent before that is then on its way no longer.
set -eu
. ./running.sh
replies() { grep -c ' bytes from ' "$1" || :; }
seen=$(replies "$2")
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if ! running "$1" || [ "$(replies "$2")" -gt "$seen" ]; then break; fi
    sleep 0.05
done
if running "$1"; then kill -INT "$1"; fi
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    running "$1" || break
    sleep 0.05
done
cat "$2"
rm -f "$2"
