#!/bin/sh
# Sets kernel settings: net/ipv4/ip_forward=1 ...
set -eu
for setting do
    printf %s "${setting#*=}" > "/proc/sys/${setting%%=*}"
done
