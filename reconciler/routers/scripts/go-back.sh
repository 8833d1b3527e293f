#!/bin/sh
# Brings back what the router was before it was armed: files, kernel settings, VIPs, nftables table, connections, SAs.
# Armed, the router keeps this as WAY_BACK/go-back, after the values of its variables and beside all that was saved.
# $1 is the cause: `deadline` (its timer), `unproven` (the controller gives up), `overdue` (its time is over and its
# timer has gone), or `restart`, early in a boot: then there are no SAs yet, and what the kernel and charon hold comes
# from the files later. $2 is the name of the arming that is meant: when the router is armed by another one, nothing
# happens. Without it any is.
#
# Every part is done, whatever becomes of the others. What fails is tried again, up to TRIES times. Then the router is
# armed no longer: it reports what it could not restore, and keeps what was saved if files are among it.
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
. ./at-boot.sh
TRIES=4
# Names the arming from which the router has gone back although its state could not be removed. It is not done again
# before the next restart, since each time takes tunnels down.
ended=/run/tunnelwright.went-back
state() { read -r id owner digest commit seconds _ mark < "$WAY_BACK/state"; } 2>/dev/null

# Guards are loaded after this (`load`), at any time, and must not wait for a router that goes back just then.
wait=120
if [ "$cause" = restart ]; then
    wait=10 TRIES=1
    if state; then
        [ "$mark" != "$(started)" ] || exit 0
    else
        wait=0
    fi
fi
exec 9>"$WAY_BACK.lock"
# The process that holds the lock already restores it, or confirms it.
if [ "$cause" = overdue ]; then flock -n 9 || exit 0; else flock -w "$wait" 9 || exit 1; fi
if ! state; then
    # What a power cut has left of a confirmed one, keys included.
    rm -rf "$WAY_BACK"
    not_at_boot
    exit 0
fi
[ "${2:-$id}" = "$id" ] || exit 0
[ "$(cat "$ended" 2>/dev/null)" != "$id" ] || exit 1
cd "$WAY_BACK" || exit 1
added=$(cat "$RECORD" 2>/dev/null)
systemd=
[ ! -d /run/systemd/system ] || systemd=runs

# part NAME: does a part; what it says when it fails becomes a problem.
part() {
    said=$("$1" 2>&1 9>&-) && return
    said=$(printf '%s' "$said" | LC_ALL=C tr -c '[:print:]' ' ' | cut -c 1-300)
    case $1 in
    settings) label='kernel settings' ;;
    table) label='nftables table' ;;
    new_sas) label=SAs ;;
    *_vips) label=VIPs ;;
    *) label=$1 ;;
    esac
    problems="${problems}problem $label: ${said:-it failed}
"
    return 1
}

# beside FOLDER: its saved files, whole, in a folder inside it.
beside() {
    new=/$1/.tunnelwright-back
    [ -d "/$1" ] || (umask 022 && mkdir -p "/$1") || return
    rm -rf "$new" && mkdir "$new" || return
    folder="$1/" awk 'index($0, ENVIRON["folder"]) == 1 &&
        !index(substr($0, length(ENVIRON["folder"]) + 1), "/")' files > members
    depth=$(printf %s "$1/" | tr -cd / | wc -c)
    tar --extract --preserve-permissions --same-owner --strip-components="$depth" --directory="$new" \
        --files-from=members --file=files.tar || { rm -rf "$new"; return 1; }
}

files() {
    failed=0
    # Each is renamed into its place: a power cut at any moment leaves the one file or the other.
    sed 's|/[^/]*$||' files | sort -u > folders
    while IFS= read -r folder; do beside "$folder" || failed=1; done < folders
    sync
    while IFS= read -r folder; do
        new=/$folder/.tunnelwright-back
        [ -d "$new" ] || continue
        find "$new" -maxdepth 1 -type f -exec mv -f -t "/$folder" {} + || failed=1
        rm -rf "$new"
    done < folders
    # What was not there. What was renamed has come back by its name, or else is still needed.
    {
        ours | grep -vxF -f files || :
        [ "$failed" -ne 0 ] || cat renamed
    } | {
        while IFS= read -r path; do
            case $path in */tunnelwright-watch.service) [ -z "$systemd" ] || timeout 20 systemctl stop "${path##*/}" ;; esac
            rm -f -- "/$path" || failed=1
            case $path in etc/tunnelwright/* | *.d/*) rmdir --ignore-fail-on-non-empty "/${path%/*}" 2>/dev/null || : ;; esac
        done
        exit "$failed"
    } || failed=1
    [ ! -d /etc/tunnelwright ] || chmod 0700 /etc/tunnelwright || failed=1
    sync
    if [ -n "$systemd" ]; then
        timeout 30 systemctl daemon-reload || failed=1
        # What this boot began with may have had none of them.
        if [ "$cause" = restart ]; then
            for unit in guard addresses watch; do
                [ ! -f "/etc/systemd/system/tunnelwright-$unit.service" ] ||
                    timeout 20 systemctl --no-block start "tunnelwright-$unit.service" || failed=1
            done
        fi
        # It compares with the guards that are back by now, by the program that is back.
        if [ "$cause" != restart ] && [ -f /etc/systemd/system/tunnelwright-watch.service ]; then
            timeout 20 systemctl --no-block restart tunnelwright-watch.service || failed=1
        fi
    fi
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

# A table that is as it was stays. Another one is replaced while a copy of what comes guards in its place: see
# change-firewall.sh.
table() {
    # See change-firewall.sh.
    exec 8>/run/tunnelwright.firewall
    flock -w 30 8 || { echo 'another program replaces it'; return 1; }
    [ "$(nft -s list table inet tunnelwright 2>/dev/null)" != "$(cat table.nft)" ] || return 0
    loading='table inet tunnelwright_loading
delete table inet tunnelwright_loading'
    {
        echo "$loading"
        sed 's/^table inet tunnelwright {/table inet tunnelwright_loading {/' table.nft
    } | nft -f - || return
    failed=0
    {
        echo 'table inet tunnelwright'
        echo 'delete table inet tunnelwright'
        cat table.nft
    } | nft -f - || failed=1
    [ ! -s table.nft ] || echo "$loading" | nft -f - || failed=1
    return "$failed"
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

left='files settings'
[ "$cause" = restart ] || left="$left missing_vips table connections new_sas surplus_vips"
tries=0
while :; do
    tries=$((tries + 1))
    problems='' todo=$left left=''
    for name in $todo; do
        # SAs that come up before the connections are back are of the other configuration again; and SAs that
        # were ended once are not ended again, since those that came after them are right.
        case "$name $left " in "new_sas "*" connections "*) if [ "$tries" -lt "$TRIES" ]; then left="$left $name"; continue; fi ;; esac
        part "$name" || left="$left $name"
        # They come from the files.
        case "$name $left " in "connections "*" files "*" connections "*) ;; "connections "*" files "*) left="$left $name" ;; esac
    done
    [ -n "$problems" ] && [ "$tries" -lt "$TRIES" ] || break
    sleep 2
done
# Brings up what was up before, and does not wait for it.
if [ "$cause" != restart ] && [ -f /etc/tunnelwright/start ]; then /bin/sh /etc/tunnelwright/start 9>&-; fi
kept=
case " $left " in
*' files '*)
    kept=$WAY_BACK.unrestored
    problems="${problems}problem files: what was saved is in $kept
"
    ;;
esac
report() {
    {
        echo "back $id $owner $digest $commit $seconds $cause $(date +%s)" && printf %s "$problems"
    } > "$WENT_BACK.new" && sync "$WENT_BACK.new" && mv -fT "$WENT_BACK.new" "$WENT_BACK"
}
# The archive is not needed any more, and its space may be.
report || { [ -n "$kept" ] || rm -f files.tar; report; }
stop_timer
# Without its state it is not armed, whatever is left when the power fails now.
if ! rm -f state; then
    echo "$id" > "$ended"
    exit 1
fi
not_at_boot
sync "$WAY_BACK"
if [ -n "$kept" ]; then rm -rf "$kept" && mv -T "$WAY_BACK" "$kept"; else rm -rf "$WAY_BACK"; fi
