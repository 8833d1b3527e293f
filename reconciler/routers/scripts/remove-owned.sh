#!/bin/sh
# Removes the files that the arguments name, in their order, and the folders that are empty then. What is in one
# of them still has other files.
set -eu
units=
for path do
    case $path in */tunnelwright-watch.service) [ ! -d /run/systemd/system ] || systemctl stop "${path##*/}" ;; esac
    rm -f -- "$path"
    folder=${path%/*}
    case $path in /etc/systemd/system/*) units=changed ;; esac
    case $folder in
    /etc/tunnelwright | *.d) rmdir --ignore-fail-on-non-empty -- "$folder" 2>/dev/null || : ;;
    esac
done
if [ -n "$units" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
