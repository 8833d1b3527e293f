#!/bin/sh
# Removes the files that the arguments name, in their order, and the folders that are empty then. What is in one
# of them still is somebody else's.
set -eu
for path do
    rm -f -- "$path"
    folder=${path%/*}
    case $folder in
    /etc/tunnelwright) rmdir --ignore-fail-on-non-empty -- "$folder" 2>/dev/null || : ;;
    esac
done
