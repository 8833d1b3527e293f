#!/bin/sh
# Lets the router go back at once, if it is armed as $1, and says what became of it (see way-back.sh). It is waited for
# $2 seconds: a charon that hangs keeps it for minutes, and it goes on then.
set -eu
if read -r id _ 2>/dev/null < "$WAY_BACK/state" && [ "$id" = "$1" ]; then
    # On its own: the connection by which this was asked for may end by it.
    TUNNELWRIGHT_COMMAND='' setsid /bin/sh "$WAY_BACK/go-back" unproven "$1" </dev/null >/dev/null 2>&1 &
    went=$!
    if ! timeout "$2" tail -s 0.1 --pid="$went" -f /dev/null; then
        echo "it has not gone back within $2 s, and goes on" >&2
        exit 1
    fi
    wait "$went" || { echo "it could not go back" >&2; exit 1; }
fi
if read -r _ id _ 2>/dev/null < "$WENT_BACK" && [ "$id" = "$1" ]; then head -c 4000 "$WENT_BACK"; fi
