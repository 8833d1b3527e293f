#!/bin/sh
# Loads the guards of tunnelwright: before the network and before charon, and whenever the router's own rules are
# loaded again. Without an argument it replaces the table inet tunnelwright alone. `load with FILE` loads a file of
# rules in the same transaction, which may begin with `flush ruleset`; `load flush` flushes all others. No packet
# sees a state in between.
#
# It fails closed: the guards, else their last good copy, else a table that forwards nothing. Its exit status is 0
# only for the first. A file that is incomplete counts as none.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /etc/tunnelwright || exit 1
# First of all: a router that restarts while it is armed goes back to the files of before.
go_back=/var/lib/tunnelwright/confirm/go-back
if [ -f "$go_back" ]; then /bin/sh "$go_back" restart; fi
case ${1-} in
with) before="include \"$2\"" ;;
flush) before='flush ruleset' ;;
*) before= ;;
esac
for guard in guard.nft guard.good.nft closed.nft; do
    [ "$(tail -n 1 "$guard")" = '# end' ] || continue
    if printf '%s\ninclude "/etc/tunnelwright/%s"\n' "$before" "$guard" | nft -f -; then
        [ "$guard" = guard.nft ]
        exit
    fi
done
# Without any of them: at least the router's own rules.
if [ "${1-}" = with ]; then nft -f "$2"; fi
exit 1
