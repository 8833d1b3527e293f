#!/bin/sh
# Puts the files of an archive, which is standard input, into FOLDER. Everything is unpacked beside its place
# first: a rename within one file system is atomic, so charon never loads half a file, and a full disk fails
# before anything is replaced. The name of the place is always the same, so that what a power cut has left there, keys
# included, goes with the next writing; with the next arming at the latest (arm.sh).
set -eu
umask 077
mkdir -p "$FOLDER"
cd "$FOLDER"
new=.tunnelwright-new
. ./leave-nothing.sh
rm -rf "$new"
mkdir "$new"
tar --extract --no-same-owner --file=- --directory="$new"
sync
find "$new" -maxdepth 1 -type f -exec mv -f -t . {} +
# The names too: after a power cut they are otherwise those of before.
sync .
