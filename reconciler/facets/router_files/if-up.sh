#!/bin/sh
# ifupdown runs this after it has brought up IFACE (interfaces(5)); a restart of networking had taken its VIPs.
[ "$ADDRFAM" = inet ] || exit 0
exec /etc/tunnelwright/up "$IFACE"
