#!/bin/sh
# What nftables.service runs in the place of its own commands (its drop-in, tunnelwright.conf): `with FILE` loads the
# router's own rules and the guards, `flush` removes the rules and keeps the guards. Where the guards have been
# removed, each does what nftables.service did.
load=/etc/tunnelwright/load
if [ -x "$load" ]; then exec "$load" "$@"; fi
case ${1-} in
with) exec nft -f "$2" ;;
flush) exec nft flush ruleset ;;
esac
exit 1
