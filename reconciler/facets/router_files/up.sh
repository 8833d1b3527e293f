#!/bin/sh
# Brings up what tunnelwright needs of the network once interfaces are there: kernel settings, and the VIPs that it
# has added, of the interface $1 or of all. To be run again does no harm.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
status=0
while IFS= read -r line; do
    case $line in *net/*' = '*) ;; *) continue ;; esac
    key=${line%% = *} value=${line##* = }
    file=/proc/sys/${key#-}
    # Those of an interface that is not there yet are set when it comes.
    [ -e "$file" ] || continue
    printf %s "$value" > "$file" || status=1
done < /etc/sysctl.d/99-tunnelwright.conf
[ -f /etc/tunnelwright/addresses ] || exit "$status"
while read -r address interface _; do
    [ "${1:-$interface}" = "$interface" ] && [ -e "/sys/class/net/$interface" ] || continue
    if ! ip -4 address show dev "$interface" | grep -qF " inet ${address%/*}/"; then
        ip address add "$address" dev "$interface" || status=1
    fi
done < /etc/tunnelwright/addresses
exit "$status"
