#!/bin/sh
# Watches the guards in the kernel, and loads them again when another program has taken them away or changed them:
# `nft flush ruleset` by hand leaves a router that forwards in the clear, and no unit notices.
# nft reports every change of the ruleset, with a line of its own at the end of each transaction.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /etc/tunnelwright || exit 1

# Whether tunnelwright changes this router at the moment: it looks at its table itself in the end.
locked() {
    read -r _ until < /run/tunnelwright.lock && read -r now _ < /proc/uptime || return 1
    [ "$until" -gt "${now%%.*}" ]
} 2>/dev/null

# A listing as lines without an order: a set lists its elements in the order of its hashes.
lines() { tr ',' '\n' | sed 's/^[[:space:]]*//; s/^elements = { //; s/ }$//' | sort; }

intact() {
    live=$(nft --stateless list table inet tunnelwright 2>/dev/null) || return 1
    # What tunnelwright removes from the router is not to be loaded again.
    [ -e guard.nft ] && ! locked || return 0
    # The same file in a network namespace that has nothing else. A file that nft does not take is not compared.
    wanted=$(unshare --net sh -c \
        'nft -f guard.nft && nft --stateless list table inet tunnelwright' 2>/dev/null) || return 0
    [ "$(printf %s "$live" | lines)" = "$(printf %s "$wanted" | lines)" ]
}

repair() {
    intact && return
    echo "the table inet tunnelwright was not as tunnelwright had loaded it: it is loaded again" >&2
    /etc/tunnelwright/load
}

nft monitor | {
    # What happened before nft listened has no event. Its socket (protocol 12) has groups once it listens.
    until awk '$2 == 12 && $4 !~ /^0+$/ { found = 1 } END { exit !found }' /proc/net/netlink; do sleep 0.1; done
    repair
    touched=
    while read -r line; do
        case $line in
        *" inet tunnelwright "* | *" inet tunnelwright") touched=yes ;;
        '# new generation '*)
            if [ -n "$touched" ]; then repair; fi
            touched=
            ;;
        esac
    done
}
# nft has ended, because it missed events for example. It is started again.
exit 1
