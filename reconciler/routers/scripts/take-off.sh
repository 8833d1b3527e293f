#!/bin/sh
# take_off ADDRESS/PREFIX INTERFACE: takes an address off an interface, and no other with it.
take_off() {
    # Without it the kernel takes the other addresses of a subnet away with the first one.
    promote=/proc/sys/net/ipv4/conf/$2/promote_secondaries
    before=$(cat "$promote")
    echo 1 > "$promote"
    status=0
    ip address delete "$1" dev "$2" || status=$?
    echo "$before" > "$promote"
    return "$status"
}
