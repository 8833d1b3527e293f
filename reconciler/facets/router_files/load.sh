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
case ${1-} in
with) before="include \"$2\"" ;;
flush) before='flush ruleset' ;;
*) before= ;;
esac

# A table for the moment of the load, which drops whatever may belong to a guarded pair of the file $1. The kernel
# (6.12) fills a set of pairs of networks only after the rules of the same transaction are in force
# (nft_pipapo_commit, called at the end of nf_tables_commit): until then the guards look into an empty set. Sets of
# single networks are filled before.
meanwhile() {
    echo 'table inet tunnelwright_loading'
    echo 'delete table inet tunnelwright_loading'
    awk '
        $1 == "set" { guarded = $2 == "guarded" }
        guarded && $2 == "." {
            sub(/,$/, "")
            ours = ours comma $1; theirs = theirs comma $3; comma = ", "
        }
        function chain(hook, rules) {
            print "chain " hook " { type filter hook " hook " priority -20;" rules " }"
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

for guard in guard.nft guard.good.nft closed.nft; do
    [ "$(tail -n 1 "$guard")" = '# end' ] || continue
    if { echo "$before"; echo "include \"/etc/tunnelwright/$guard\""; meanwhile "$guard"; } | nft -f -; then
        echo 'table inet tunnelwright_loading; delete table inet tunnelwright_loading' | nft -f - || exit 1
        [ "$guard" = guard.nft ]
        exit
    fi
done
# Without any of them: at least the router's own rules.
if [ "${1-}" = with ]; then nft -f "$2"; fi
exit 1
