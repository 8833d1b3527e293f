#!/bin/sh
# Takes the lock, or renews it, for the owner $1 and $2 seconds; gives it back when $2 is 0. When another owner
# has it, says who and for how many seconds, and ends with TAKEN.
set -eu
umask 077
. ./held.sh
# flock(1) makes looking and taking one act; a process that keeps it for longer than that hangs.
exec 9>/run/tunnelwright.guard
flock -w 2 9 || { [ $? -ne 1 ] || echo "another command holds /run/tunnelwright.guard" >&2; exit 1; }
held
if [ -n "$owner" ] && [ "$owner" != "$1" ]; then
    echo "$owner $left"
    exit "$TAKEN"
fi
if [ -d "$lock" ] && [ ! -L "$lock" ]; then echo "$lock is a directory: remove it" >&2; exit 1; fi
if [ "$2" -gt 0 ]; then
    printf '%s %s\n' "$1" "$((now + $2))" > "$lock.new"
    mv -fT "$lock.new" "$lock"
else
    rm -f "$lock"
fi
