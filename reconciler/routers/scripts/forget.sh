#!/bin/sh
# Forgets that the router has gone back from the arming $1, once that was reported.
set -eu
if read -r _ id _ 2>/dev/null < "$WENT_BACK" && [ "$id" = "$1" ]; then rm -f "$WENT_BACK"; fi
