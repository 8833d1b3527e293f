#!/bin/sh
# Captures the packets of the interface $2 in the direction $3 (in, inout) until it is interrupted: $1.pcap has
# them, $1.pid the process, $1.err what tcpdump says.
echo $$ > "$1.pid"
exec tcpdump -i "$2" -Q "$3" -n -U --immediate-mode -B 16384 -s 0 -Z root -w "$1.pcap" 2> "$1.err"
