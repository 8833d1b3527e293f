#!/bin/sh
# Plugs containers together, as the files in the folder $1 say:
#   bridges      a bridge to make in each line
#   ports        for each port its veth end here, its interface there, its bridge, the container's process id,
#                and the Ethernet address of its interface
#   PID.batch    what `ip -batch` is to do in the network namespace of that process
# A port whose veth end is there already is plugged anew, as after a container's restart.
set -eu
cd "$1"
# br_netfilter would send bridged packets through iptables; in this namespace nothing may interfere.
for knob in arptables ip6tables iptables; do
    file=/proc/sys/net/bridge/bridge-nf-call-$knob
    if [ -w "$file" ]; then echo 0 > "$file"; fi
done
while read -r bridge; do
    # No snooping: multicast must reach every port, or its absence at the receiver proves nothing.
    ip link add "$bridge" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    echo 1 > "/proc/sys/net/ipv6/conf/$bridge/disable_ipv6" || true
    ip link set "$bridge" up
done < bridges
while read -r end interface bridge pid address; do
    ip link delete "$end" 2>/dev/null || true
    ip link add "$end" type veth peer name "$interface" address "$address" netns "$pid"
    ip link set "$end" master "$bridge" up
done < ports
for batch in *.batch; do
    nsenter -t "${batch%.batch}" -n ip -batch "$batch"
done
