#!/bin/sh
# Removes the VIP $1 (ADDRESS/PREFIX) from the interface $2, and then from the record.
set -eu
. ./record.sh
shown=$(ip -4 -oneline address show dev "$2" to "${1%/*}" 2>/dev/null) || shown=''
case $shown in
*" inet $1 "*)
    # Without it the kernel takes the other addresses of a subnet away with the first one.
    promote=/proc/sys/net/ipv4/conf/$2/promote_secondaries
    before=$(cat "$promote")
    echo 1 > "$promote"
    status=0
    ip address delete "$1" dev "$2" || status=$?
    echo "$before" > "$promote"
    [ "$status" -eq 0 ] || exit "$status"
    ;;
esac
forget "${1%/*}" "$2"
