#!/bin/sh
# Puts the files of an archive, which is standard input, at the paths that they have in it below the root, in the
# order of the arguments. Each is flushed to the disk beside its place before it is renamed, and its folder after
# that: a power cut at any moment leaves the file of before or the new one.
set -eu
umask 022
new=$(mktemp -d /run/tunnelwright-files-XXXXXX)
. ./leave-nothing.sh
tar --extract --no-same-owner --same-permissions --file=- --directory="$new"
units='' watch=''
for path do
    folder=${path%/*} name=${path##*/}
    mkdir -p "$folder"
    case $folder in /etc/tunnelwright) chmod 0700 "$folder" ;; esac
    # No daemon takes a hidden file with such an end for one of its own.
    beside="$folder/.$name.new"
    cp -p -- "$new$path" "$beside"
    # What nft refuses must not be what the next boot relies on.
    case $name in
    *.nft)
        if ! said=$(nft --check --file "$beside" 2>&1); then
            rm -f "$beside"
            printf '%s\n' "$said" | head -n 1 >&2
            exit 1
        fi
        ;;
    esac
    sync "$beside"
    mv -fT "$beside" "$path"
    sync "$folder"
    case $path in /etc/systemd/system/*) units=changed ;; esac
    case $path in */tunnelwright-watch.service | */watch) watch=changed ;; esac
done
[ -d /run/systemd/system ] || exit 0
[ -z "$units" ] || systemctl daemon-reload
# What else there is runs once, at a boot.
[ -z "$watch" ] || systemctl --no-block restart tunnelwright-watch.service
