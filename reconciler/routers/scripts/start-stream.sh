#!/bin/sh
# Leaves a ping running from $1 to $2, every $3 seconds for $4 seconds; says its process and the file that it
# writes.
# The stream outlives the command that began it, and neither its own deadline nor the lock of its owner:
# beside it runs a look at the lock, which ends it when the lock has another owner, or none. A list that
# runs beside a shell without job control ignores SIGINT (POSIX, 2.12); ping sets a handler of its own for it.
set -eu
umask 077
. ./held.sh
. ./running.sh
find /run -maxdepth 1 -name 'tunnelwright-stream-*' -mmin +60 -delete
held
mine=$owner
file=$(mktemp /run/tunnelwright-stream-XXXXXX)
ping -n -i "$3" -w "$4" -I "$1" "$2" > "$file" 2>&1 < /dev/null &
ping=$!
echo "$ping $file"
if [ -n "$mine" ]; then
    {
        while sleep 2 && kill -0 "$ping"; do
            held
            if [ "$owner" != "$mine" ]; then
                if running "$ping"; then kill -INT "$ping"; fi
                rm -f "$file"
                break
            fi
        done
    } > /dev/null 2>&1 < /dev/null &
fi
