#!/bin/sh
# Confirms the arming $1: what was changed stays, and what was saved goes, keys included. Who has lost the answer may
# ask again: CONFIRMED has the state of the last arming that was confirmed.
set -eu
umask 077
. ./timer.sh
. ./at-boot.sh
exec 9>"$WAY_BACK.lock"
flock -w 30 9 || { echo "it is going back" >&2; exit 1; }
if ! read -r id _ 2>/dev/null < "$WAY_BACK/state" || [ "$id" != "$1" ]; then
    if read -r _ id _ 2>/dev/null < "$WENT_BACK" && [ "$id" = "$1" ]; then
        echo "it had gone back before" >&2
    elif read -r id _ 2>/dev/null < "$CONFIRMED" && [ "$id" = "$1" ]; then
        # A process that was ended after the rename has left the rest.
        [ -s "$WAY_BACK/state" ] || { rm -rf "$WAY_BACK"; not_at_boot; }
        exit 0
    else
        echo "it is not armed" >&2
    fi
    exit 1
fi
stop_timer
# One rename: without its state it is not armed, and with it it is confirmed, whatever is left when the power fails now.
mv -fT "$WAY_BACK/state" "$CONFIRMED"
sync "$WAY_BACK" "${CONFIRMED%/*}"
rm -rf "$WAY_BACK"
not_at_boot
