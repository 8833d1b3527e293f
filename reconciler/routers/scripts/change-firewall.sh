#!/bin/sh
# Runs the nftables transaction `document` while the table guards that another one, `copy`, makes: each a file of an
# archive, which is standard input.
# One transaction that takes away a table, or an element, and adds what stands for it leaves a gap. A packet on its way
# passes the new chain before it counts and the old one after it has ended, since the kernel evaluates each base chain of
# a hook by itself; and Linux 6.12 fills a set of pairs of networks only after the rules of the same transaction are in
# force (nft_pipapo_commit). So the copy is complete before, in a table of its own, and goes after.
# One at a time replaces the table (`load`, go-back.sh): each would take the copy of the other one away.
set -eu
umask 077
exec 8>/run/tunnelwright.firewall
flock -w 30 8 || { echo "another program replaces the nftables table" >&2; exit 1; }
new=$(mktemp -d /run/tunnelwright-files-XXXXXX)
end() {
    rm -rf "$new"
    echo 'table inet tunnelwright_loading; delete table inet tunnelwright_loading' | nft -f -
}
trap end EXIT
trap 'exit 1' HUP INT TERM
tar --extract --no-same-owner --file=- --directory="$new"
nft -j -f "$new/copy"
nft -j -f "$new/document"
