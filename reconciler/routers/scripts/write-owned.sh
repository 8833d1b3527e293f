#!/bin/sh
# Puts the files of an archive, which is standard input, at the paths that they have in it below the root, in the
# order of the arguments. Each is flushed to the disk beside its place before it is renamed, and its folder after
# that: a power cut at any moment leaves the file of before or the new one.
set -eu
umask 022
new=$(mktemp -d /run/tunnelwright-files-XXXXXX)
trap 'rm -rf "$new"' EXIT
tar --extract --no-same-owner --same-permissions --file=- --directory="$new"
for path do
    folder=${path%/*} name=${path##*/}
    mkdir -p "$folder"
    case $folder in /etc/tunnelwright) chmod 0700 "$folder" ;; esac
    # No daemon takes a hidden file with such an end for one of its own.
    beside="$folder/.$name.new"
    cp -p -- "$new$path" "$beside"
    sync "$beside"
    mv -fT "$beside" "$path"
    sync "$folder"
done
