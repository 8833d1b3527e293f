#!/bin/sh
# Writes all that an observation reads, each part after a mark: whom the management connection joins, addresses, the
# record of those that we added, our nftables table, whether a copy of it was left behind, the kernel settings named by the arguments, how many
# packets the kernel has dropped because their SA was not installed yet, our files without keys, what starts the
# router, whether it is armed or has gone back, and an archive of our swanctl files. FOLDER has those files, RECORD is
# the record, OWNED are patterns of the files without keys, MARK divides the parts.
set -eu
. ./started.sh
. ./way-back.sh
echo "${SSH_CONNECTION:-}"
echo "$MARK"
ip -j -4 address show
echo "$MARK"
if [ -f "$RECORD" ]; then
    # One byte more than it may have shows that it has more.
    head -c "$((RECORD_BYTES + 1))" "$RECORD"
    echo
fi
echo "$MARK"
# `nft` answers "No such file or directory" where the table is missing; any other failure of it must not pass
# for that, so its own words are looked at.
exec 3>&1
if ! said=$(nft -j list table inet tunnelwright 2>&1 >&3); then
    case $said in *'No such file'*) ;; *) printf '%s\n' "$said" >&2; exit 1 ;; esac
fi
echo "$MARK"
# A copy that guards in its place (change-firewall.sh) is left behind if no command replaces it now.
(
    flock -n 8 || exit 0
    ! nft list tables inet | grep -qx 'table inet tunnelwright_loading' || echo left
) 8>/run/tunnelwright.firewall
echo "$MARK"
# grep, since the kernel gives a setting to one read(2) and a shell reads byte by byte; no key has a colon.
cd /proc/sys
[ $# -eq 0 ] || grep -sH '' "$@" || :
echo "$MARK"
# Absent in a kernel that does not count.
grep -s '^XfrmAcquireError' /proc/net/xfrm_stat || :
echo "$MARK"
set --
for file in $OWNED; do
    # A link, and a name that nothing of ours has, are not ours.
    case $file in *[!A-Za-z0-9/._:@-]*) continue ;; esac
    if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi
done
if [ $# -gt 0 ]; then
    stat -c '%a %u:%g %n' "$@"
    sha256sum "$@"
fi
echo "$MARK"
if [ -d /run/systemd/system ]; then
    echo systemd
    for unit in /etc/systemd/system/nftables.service /usr/lib/systemd/system/nftables.service \
        /lib/systemd/system/nftables.service; do
        if [ -f "$unit" ]; then
            sed -n 's|^ExecStart=.*/nft -f \(/[^ ]*\)$|ruleset \1|p' "$unit"
            break
        fi
    done
fi
[ ! -d /etc/network/if-up.d ] || ! [ -x /sbin/ifup ] || echo ifupdown
if [ -d /run/systemd/netif/links ]; then
    for link in /sys/class/net/*; do
        # What networkctl shows too (sd-network.c, sd_network_link_get_network_file).
        [ -f "$link/ifindex" ] || continue
        read -r index < "$link/ifindex"
        [ -f "/run/systemd/netif/links/$index" ] || continue
        network=$(sed -n 's|^NETWORK_FILE=.*/||p' "/run/systemd/netif/links/$index") || continue
        [ -z "$network" ] || printf 'networkd %s %s\n' "${link##*/}" "$network"
    done
fi
echo "$MARK"
way_back
echo "$MARK"
[ -d "$FOLDER" ] || mkdir -p "$FOLDER"
cd "$FOLDER"
find . -maxdepth 1 -type f -name 'tw-*.conf' -print0 |
    tar --create --format=gnu --null --files-from=- --file=-
