#!/bin/sh
# Lets the router go back at once, if it is armed as $1.
set -eu
if ! read -r id _ 2>/dev/null < "$WAY_BACK/state" || [ "$id" != "$1" ]; then exit 0; fi
# On its own: the connection by which this was asked for may end by it.
TUNNELWRIGHT_COMMAND='' setsid /bin/sh "$WAY_BACK/go-back" unproven </dev/null >/dev/null 2>&1 &
went=$!
wait "$went"
