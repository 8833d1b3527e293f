#!/bin/sh
# Records the document $3 for the VIP $1 (ADDRESS/PREFIX) on the interface $2; without a document, that the
# address is not tunnelwright's.
set -eu
. ./record.sh
if [ -n "$3" ]; then record "$@"; else forget "${1%/*}" "$2"; fi
