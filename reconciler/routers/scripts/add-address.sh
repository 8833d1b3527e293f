#!/bin/sh
# Adds the VIP $1 (ADDRESS/PREFIX) to the interface $2 for the document $3, unless another host answers for it.
# It is recorded first: a crash in between leaves a line without an address, never an address without an owner.
# An address that is there already was added otherwise, or is recorded.
set -eu
. ./record.sh
address=${1%/*}

# holder: the link-layer address of another host that answers for the address. The kernel asks (RFC 826), so this
# needs no raw socket; where it may not, or the neighbour was configured by hand, no neighbour is found.
holder() {
    known=$(ip -4 neigh show to "$address" dev "$1" nud permanent 2>/dev/null) || return 0
    [ -z "$known" ] || return 0
    ip neigh delete "$address" dev "$1" 2>/dev/null || :
    ip neigh add "$address" dev "$1" use 2>/dev/null || return 0
    for _ in 1 2 3 4 5; do
        sleep 0.1
        found=$(ip -4 neigh show to "$address" dev "$1" nud reachable) || break
        case $found in
        *' lladdr '*)
            found=${found#* lladdr }
            found=${found%% *}
            grep -qixF "$found" /sys/class/net/*/address || echo "$found"
            break
            ;;
        esac
    done
    ip neigh delete "$address" dev "$1" 2>/dev/null || :
}

shown=$(ip -4 -oneline address show dev "$2" to "$address")
if [ -n "$shown" ]; then exit 0; fi
other=$(holder "$2")
if [ -n "$other" ]; then
    echo "$other answers for $address on $2: that host has the address, or answers for others (proxy ARP)" >&2
    exit 1
fi
record "$1" "$2" "$3"
if ! ip address add "$1" dev "$2"; then
    forget "$address" "$2"
    exit 1
fi
# Gratuitous ARP (RFC 5227, section 2.3), for hosts that know the address by another link-layer address.
if command -v arping > /dev/null; then
    arping -q -U -c 3 -I "$2" "$address" > /dev/null 2>&1 < /dev/null &
fi
