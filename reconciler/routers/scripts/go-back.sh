#!/bin/sh
# Brings back what the router was before it was armed: files, kernel settings, VIPs, nftables table, connections, SAs.
# Armed, the router keeps this as WAY_BACK/go-back, after the values of its variables and beside all that was saved.
# $1 is the cause: `deadline` (its timer), `unproven` (the controller gives up), `overdue` (its time is over and its
# timer has gone), or `restart`, early in a boot: then there are no SAs yet, and what the kernel and charon hold comes
# from the files later.
#
# Every part is done, whatever becomes of the others. What fails is tried again, up to TRIES times; what was saved is
# deleted only when the files are back.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
cause=$1
. ./started.sh
. ./ours.sh
. ./sas.sh
. ./take-off.sh
. ./timer.sh
TRIES=4
exec 9>"$WAY_BACK.lock"
# Whoever holds the lock already brings it back, or confirms it.
if [ "$cause" = overdue ]; then flock -n 9 || exit 0; else flock -w 120 9 || exit 1; fi
if [ ! -s "$WAY_BACK/state" ]; then
    # What a power cut has left of a confirmed one, keys included.
    rm -rf "$WAY_BACK"
    exit 0
fi
read -r id owner digest commit seconds _ mark < "$WAY_BACK/state" || exit 1
if [ "$cause" = restart ]; then
    [ "$mark" != "$(started)" ] || exit 0
    TRIES=1
fi
cd "$WAY_BACK" || exit 1
added=$(cat "$RECORD" 2>/dev/null)

# part NAME COMMAND...: does a part; what it says when it fails becomes a problem.
part() {
    name=$1
    shift
    said=$("$@" 2>&1 9>&-) && return
    said=$(printf '%s' "$said" | LC_ALL=C tr -c '[:print:]' ' ' | cut -c 1-300)
    problems="${problems}problem $name: ${said:-it failed}
"
}

files() {
    failed=0
    # What was not there; and what was renamed comes back by its name.
    {
        ours | grep -vxF -f files || :
        cat renamed
    } | while IFS= read -r path; do
        rm -f -- "/$path" || exit 1
        case $path in etc/tunnelwright/* | *.d/*) rmdir --ignore-fail-on-non-empty "/${path%/*}" 2>/dev/null || : ;; esac
    done || failed=1
    if [ -s files ]; then
        (umask 022; tar --extract --preserve-permissions --same-owner --directory=/ --file=files.tar) || failed=1
    fi
    [ ! -d /etc/tunnelwright ] || chmod 0700 /etc/tunnelwright || failed=1
    sync
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || failed=1; fi
    return "$failed"
}

settings() {
    failed=0
    while read -r key value; do
        # An interface may not be there yet, or not any more.
        [ ! -e "/proc/sys/$key" ] || printf %s "$value" > "/proc/sys/$key" || failed=1
    done < settings
    return "$failed"
}

# VIPs that tunnelwright had added and that were there.
missing_vips() {
    failed=0
    [ -f "$RECORD" ] || return 0
    while read -r address interface _; do
        grep -qxF "$address $interface" addresses || continue
        if ! ip -4 -oneline address show dev "$interface" | grep -qF " inet $address "; then
            ip address add "$address" dev "$interface" || failed=1
            # Others may know it by another router's link-layer address (RFC 5227, section 2.3).
            if command -v arping >/dev/null; then
                arping -q -U -c 3 -I "$interface" "${address%/*}" >/dev/null 2>&1 </dev/null &
            fi
        fi
    done < "$RECORD"
    return "$failed"
}

# VIPs that it has added since.
surplus_vips() {
    printf '%s\n' "$added" | {
        failed=0
        while read -r address interface _; do
            if [ -z "$address" ] || grep -qxF "$address $interface" addresses; then continue; fi
            if ip -4 -oneline address show dev "$interface" 2>/dev/null | grep -qF " inet $address "; then
                take_off "$address" "$interface" || failed=1
            fi
        done
        [ "$failed" -eq 0 ]
    }
}

# One transaction: no packet sees a state in between.
table() {
    {
        echo 'table inet tunnelwright'
        echo 'delete table inet tunnelwright'
        cat table.nft
    } | nft -f -
}

connections() {
    # A charon that hangs keeps nothing else from going back.
    timeout -k 5 20 swanctl --reload-settings && timeout -k 5 60 swanctl --load-all --noprompt
}

# Ends the SAs that were made since of connections that were changed: they are of the other configuration.
new_sas() {
    running=$(sas) || return
    for number in $(printf '%s\n' "$running" | awk '
        FILENAME == "sas" { for (i = 3; i <= NF; i++) old[$i] = 1; next }
        FILENAME == "connections" { changed[$0] = 1; next }
        changed[$1] { for (i = 3; i <= NF; i++) if (!($i in old)) { print $2; next } }' sas connections -); do
        timeout -k 5 20 swanctl --terminate --ike-id "$number" --force --timeout 1 >/dev/null &
    done
    wait
}

tries=0
while :; do
    tries=$((tries + 1))
    problems=
    part files files
    without_files=$problems
    part 'kernel settings' settings
    if [ "$cause" != restart ]; then
        part VIPs missing_vips
        part 'nftables table' table
        part connections connections
        part SAs new_sas
        part VIPs surplus_vips
    fi
    [ -n "$problems" ] && [ "$tries" -lt "$TRIES" ] || break
    sleep 2
done
# Brings up what was up before, and does not wait for it.
if [ "$cause" != restart ] && [ -f /etc/tunnelwright/start ]; then /bin/sh /etc/tunnelwright/start 9>&-; fi
{
    echo "back $id $owner $digest $commit $seconds $cause $(date +%s)"
    printf %s "$problems"
} > "$WENT_BACK.new" && sync "$WENT_BACK.new" && mv -fT "$WENT_BACK.new" "$WENT_BACK"
[ -z "$without_files" ] || exit 1
stop_timer
rm -f state
sync "$WAY_BACK"
rm -rf "$WAY_BACK"
