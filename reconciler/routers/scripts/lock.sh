#!/bin/sh
# Takes the lock, or renews it, for the owner $1 and $2 seconds; gives it back when $2 is 0. When another owner
# has it, says who and for how many seconds, and ends with TAKEN.
set -eu
umask 077
. ./held.sh
. ./started.sh
. ./way-back.sh
# flock(1) makes looking and taking one act; a process that keeps it for longer than that hangs.
exec 9>/run/tunnelwright.guard
flock -w 2 9 || { [ $? -ne 1 ] || echo "another command holds /run/tunnelwright.guard" >&2; exit 1; }
held
if [ -n "$owner" ] && [ "$owner" != "$1" ]; then
    echo "$owner $left"
    exit "$TAKEN"
fi
# An armed router has a change that is not confirmed. A process that had no lock before waits until it has gone back, and
# sees to it where its time is over and it has not.
if [ "$2" -gt 0 ] && [ -z "$owner" ] && armed; then
    if [ "$left" -eq 0 ]; then
        TUNNELWRIGHT_COMMAND='' setsid /bin/sh "$WAY_BACK/go-back" overdue "${fields%% *}" </dev/null >/dev/null 2>&1 9>&- &
    fi
    by=${fields#* }
    echo "${by%% *} $left armed"
    exit "$TAKEN"
fi
if [ -d "$lock" ] && [ ! -L "$lock" ]; then echo "$lock is a directory: remove it" >&2; exit 1; fi
if [ "$2" -gt 0 ]; then
    printf '%s %s\n' "$1" "$((now + $2))" > "$lock.new"
    mv -fT "$lock.new" "$lock"
else
    rm -f "$lock"
fi
