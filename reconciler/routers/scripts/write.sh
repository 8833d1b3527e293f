#!/bin/sh
# Puts the files of an archive, which is standard input, into FOLDER. Everything is unpacked beside its place
# first: a rename within one file system is atomic, so charon never loads half a file, and a full disk fails
# before anything is replaced.
set -eu
umask 077
mkdir -p "$FOLDER"
cd "$FOLDER"
new=$(mktemp -d .tunnelwright-XXXXXX)
trap 'rm -rf "$new"' EXIT
tar --extract --no-same-owner --file=- --directory="$new"
sync
find "$new" -maxdepth 1 -type f -exec mv -f -t . {} +
# The names too: after a power cut they are otherwise those of before.
sync .
