#!/bin/sh
# Loads the guards of tunnelwright: before the network and before charon, and whenever the router's own rules are
# loaded again. Without an argument it replaces the table inet tunnelwright alone. `load with FILE` also loads a file
# of rules, which may begin with `flush ruleset`, and `load flush` flushes all other tables. Both leave a table of ours
# that is there as it is, or else load it in the same transaction.
#
# It fails closed: the guards, else their last good copy, else a table that forwards nothing. Its exit status is 0
# only for the first. A file that is incomplete counts as none.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
# First of all: a router that restarts while it is armed goes back to the files of before, and the folder of before.
# Without a restart this waits for nothing.
go_back=/var/lib/tunnelwright/confirm/go-back
if [ -f "$go_back" ]; then /bin/sh "$go_back" restart; fi
cd /etc/tunnelwright || exit 1
# What a power cut has left of what a router had saved, keys included; unless that is just being written.
saved=${go_back%/*}
if [ -d "$saved.new" ] || { [ -d "$saved" ] && [ ! -s "$saved/state" ]; }; then
    (
        flock -n 9 || exit 0
        rm -rf "$saved.new"
        [ -s "$saved/state" ] || rm -rf "$saved"
    ) 9> "$saved.lock"
fi
case ${1-} in
with) before="include \"$2\"" ;;
flush) before='flush ruleset' ;;
*) before= ;;
esac

# A table for the moment of the load, which drops whatever may belong to a guarded pair of the file $1. The kernel
# (6.12) fills a set of pairs of networks only after the rules of the same transaction are in force
# (nft_pipapo_commit, called at the end of nf_tables_commit): until then the guards look into an empty set. Sets of
# single networks are filled before.
loading_table() {
    echo 'table inet tunnelwright_loading'
    echo 'delete table inet tunnelwright_loading'
    awk '
        $1 == "set" { guarded = $2 == "guarded" }
        guarded && $2 == "." {
            sub(/,$/, "")
            ours = ours comma $1; theirs = theirs comma $3; comma = ", "
        }
        function chain(hook, rules) {
            print "chain " hook " { type filter hook " hook " priority 100;" rules " }"
        }
        END {
            if (!ours) exit
            out = "\nip saddr { " ours " } ip daddr { " theirs " } drop\n"
            back = "\nip saddr { " theirs " } ip daddr { " ours " } drop\n"
            print "table inet tunnelwright_loading {"
            chain("forward", out back); chain("input", back); chain("output", out)
            print "}"
        }' "$1"
}

# Replaces all tables but ours by the rules in the file $1, or by none. Fails when the file flushes ours in a way that
# cannot be taken out of it.
others() {
    nft list table inet tunnelwright >/dev/null 2>&1 || return 1
    rules=$(sed 's/^[[:space:]]*flush[[:space:]][[:space:]]*ruleset[[:space:]]*;*[[:space:]]*$//' "$1") || return 1
    flushes='flush[[:space:]]+ruleset'
    ! printf %s "$rules" | grep -qE "$flushes" || return 1
    # shellcheck disable=SC2013 # a path of an include is one word, and may be a pattern
    for file in $(printf '%s\n' "$rules" | sed -n 's/^[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p'); do
        # nft looks for other paths in several folders.
        case $file in /*) ;; *) return 1 ;; esac
        [ -f "$file" ] && ! grep -qE "$flushes|^[[:space:]]*include" "$file" || return 1
    done
    {
        nft list tables | grep -vx 'table inet tunnelwright' | sed 's/^table/delete table/'
        printf '%s\n' "$rules"
    } | nft -f - && nft list table inet tunnelwright >/dev/null
}

# One at a time replaces our table: each would take the copy of the other one away. A router without guards is worse
# than that, so a command that keeps the lock for too long is not waited for.
if touch /run/tunnelwright.firewall; then
    exec 8< /run/tunnelwright.firewall
    flock -w 60 8 || :
fi
case ${1-} in
with) others "$2" && exit ;;
flush) others /dev/null && exit ;;
esac
# Replaces our table alone by that of the file $1, while a copy of it guards in its place. The copy is in force before
# the old one goes: packets on their way would slip between two tables of one transaction.
ours() {
    sed 's/^\(delete \)\{0,1\}table inet tunnelwright/&_loading/' "$1" | nft -f - && nft -f "$1"
}

# Replaces it in one transaction with `before`, which flushes whatever is there.
with_others() {
    { echo "$before"; echo "include \"/etc/tunnelwright/$1\""; loading_table "$1"; } | nft -f -
}

for guard in guard.nft guard.good.nft closed.nft; do
    [ "$(tail -n 1 "$guard")" = '# end' ] || continue
    if if [ -n "$before" ]; then with_others "$guard"; else ours "$guard"; fi; then
        echo 'table inet tunnelwright_loading; delete table inet tunnelwright_loading' | nft -f - || exit 1
        [ "$guard" = guard.nft ]
        exit
    fi
done
# Without any of them: at least the router's own rules.
if [ "${1-}" = with ]; then nft -f "$2"; fi
exit 1
