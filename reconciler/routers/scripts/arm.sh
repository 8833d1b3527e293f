#!/bin/sh
# Arms the router: saves what is there, and starts the timer that brings it back after $5 seconds unless confirm.sh
# comes first. $1 is the name of this arming, $2 who arms, $3 the digest of what is to be applied, $4 its commit.
# Standard input is an archive: `script` (go-back.sh), `connections` that will be changed, `sysctls` that may be, and
# `aside`, other files that may be renamed; a line for each. WAY_BACK is the folder of all that is saved.
# A router is armed once WAY_BACK/state is there, with all the rest and on the disk. When anything fails before, nothing
# is left of it.
set -eu
umask 077
. ./started.sh
. ./ours.sh
. ./sas.sh
. ./timer.sh
. ./at-boot.sh
command -v swanctl > /dev/null || { echo "the router has no swanctl, by which it could go back" >&2; exit 1; }
mkdir -p "${WAY_BACK%/*}"
exec 9>"$WAY_BACK.lock"
flock -w 5 9
if [ -s "$WAY_BACK/state" ]; then echo "the router is armed already" >&2; exit 1; fi
new=$WAY_BACK.new
# What a power cut, or the end of a command, has left of a confirmed one and of files that were written; and what an
# earlier one has kept because it could not restore it.
rm -rf "$new" "$WAY_BACK" "$WAY_BACK.unrestored" "$FOLDER"/.tunnelwright-*
. ./leave-nothing.sh
armed=
trap 'rm -rf "$new"; [ -n "$armed" ] || not_at_boot' EXIT
mkdir "$new"
tar --extract --no-same-owner --file=- --directory="$new"
{
    ours
    while IFS= read -r path; do
        if [ -f "$path" ] && [ ! -L "$path" ]; then
            printf '%s\n' "${path#/}"
            # By that name it is ours to remove only if it was not there before.
            [ -e "$path.adopted" ] || printf '%s\n' "${path#/}.adopted" >&3
        fi
    done < "$new/aside"
} > "$new/files" 3> "$new/renamed"
tar --create --format=gnu --directory=/ --files-from="$new/files" --file="$new/files.tar"
if ! said=$(nft -s list table inet tunnelwright 2>&1 > "$new/table.nft"); then
    case $said in *'No such file'*) ;; *) printf '%s\n' "$said" >&2; exit 1 ;; esac
fi
ip -4 -oneline address show | while read -r _ interface _ address _; do
    echo "$address $interface"
done > "$new/addresses"
while IFS= read -r key; do
    if [ -f "/proc/sys/$key" ]; then printf '%s %s\n' "$key" "$(cat "/proc/sys/$key")"; fi
done < "$new/sysctls" > "$new/settings"
sas > "$new/sas"
{
    for variable in "WAY_BACK=$WAY_BACK" "WENT_BACK=$WENT_BACK" "FOLDER=$FOLDER" "OWNED=$OWNED" "RECORD=$RECORD"; do
        printf "%s='%s'\n" "${variable%%=*}" "$(printf %s "${variable#*=}" | sed "s/'/'\\\\''/g")"
    done
    cat "$new/script"
} > "$new/go-back"
read -r now _ < /proc/uptime
echo "$1 $2 $3 $4 $5 $((${now%%.*} + $5)) $(started)" > "$new/state"
go_back_at_boot
# A power cut from here on leaves either nothing, or a router that goes back to what it is now.
sync "$new"/* "$new"
mv -T "$new" "$WAY_BACK"
# Whatever ends this before the timer runs disarms it: nothing would bring it back in time.
new=$WAY_BACK
sync "${WAY_BACK%/*}"
start_timer "$5" "$1"
new=$WAY_BACK.new armed=yes
rm -f "$WENT_BACK"
