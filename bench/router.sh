#!/bin/sh
# What the benchmarks do to the swanctl files of a router in the lab, as they are changed without tunnelwright.
# The first argument says what:
#
# edit NUMBER OLD NEW: replace a text in the first files.
# aside, back: take all files away from charon, and give them back.
# wipe: remove all files.
# passive FILE: let the connection of a file never begin anything, and load it.
#
# SWANCTL is the folder of swanctl, /etc/swanctl if it is not set.
set -eu
folder=${SWANCTL:-/etc/swanctl}/conf.d
aside=${SWANCTL:-/etc/swanctl}/aside

case $1 in
edit)
    cd "$folder"
    # The names are tunnelwright's own.
    # shellcheck disable=SC2012
    ls | head -n "$2" | xargs sed -i "s/$3/$4/"
    ;;
aside)
    mv "$folder" "$aside"
    mkdir "$folder"
    ;;
back)
    rmdir "$folder"
    mv "$aside" "$folder"
    ;;
wipe)
    rm -f "$folder"/*
    ;;
passive)
    sed -i -e 's/start_action = .*/start_action = none/' -e 's/dpd_delay = .*/dpd_delay = 0s/' "$2"
    # What tunnelwright lets charon do at its start.
    rm -f /etc/strongswan.d/tunnelwright.conf
    swanctl --reload-settings
    swanctl --load-all
    ;;
*)
    echo "unknown: $1" >&2
    exit 2
    ;;
esac
