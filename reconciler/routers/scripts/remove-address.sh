#!/bin/sh
# Removes the VIP $1 (ADDRESS/PREFIX) from the interface $2, and then from the record.
set -eu
. ./record.sh
. ./take-off.sh
shown=$(ip -4 -oneline address show dev "$2" to "${1%/*}" 2>/dev/null) || shown=''
case $shown in
*" inet $1 "*) take_off "$1" "$2" ;;
esac
forget "${1%/*}" "$2"
