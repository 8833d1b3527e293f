#!/bin/sh
# Confirms the arming $1: what was changed stays, and what was saved goes, keys included.
set -eu
. ./timer.sh
exec 9>"$WAY_BACK.lock"
# Longer than it takes to go back, so that the answer is true.
flock -w 30 9
if ! read -r id _ 2>/dev/null < "$WAY_BACK/state" || [ "$id" != "$1" ]; then
    if read -r _ id _ 2>/dev/null < "$WENT_BACK" && [ "$id" = "$1" ]; then
        echo "it had gone back before" >&2
    else
        echo "it is not armed" >&2
    fi
    exit 1
fi
stop_timer
# Without its state it is not armed, whatever is left when the power fails now.
rm -f "$WAY_BACK/state"
sync "$WAY_BACK"
rm -rf "$WAY_BACK"
