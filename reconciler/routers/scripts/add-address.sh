#!/bin/sh
# Adds the VIP $1 (ADDRESS/PREFIX) to the interface $2 for the document $3. It is recorded first: a crash in
# between leaves a line without an address, never an address that nobody owns. What is there already was added
# by somebody else, or is recorded.
set -eu
. ./record.sh
address=${1%/*}
shown=$(ip -4 -oneline address show dev "$2" to "$address")
if [ -n "$shown" ]; then exit 0; fi
record "$1" "$2" "$3"
if ! ip address add "$1" dev "$2"; then
    forget "$address" "$2"
    exit 1
fi
