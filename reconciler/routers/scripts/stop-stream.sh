#!/bin/sh
# Ends the ping $1, and writes and removes what it has written to the file $2.
set -eu
. ./running.sh
if running "$1"; then kill -INT "$1"; fi
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    running "$1" || break
    sleep 0.05
done
cat "$2"
rm -f "$2"
