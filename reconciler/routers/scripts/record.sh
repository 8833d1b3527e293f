#!/bin/sh
# The record of the VIPs that tunnelwright added, RECORD: a line `ADDRESS/PREFIX INTERFACE DOCUMENT` for each.
new=$RECORD.new

# others ADDRESS INTERFACE: begins a record with the lines of all other addresses.
others() {
    umask 077
    mkdir -p "${RECORD%/*}"
    : > "$new"
    [ -f "$RECORD" ] || return 0
    while IFS= read -r line; do
        case $line in "$1/"*" $2 "*) ;; *) printf '%s\n' "$line" >> "$new" ;; esac
    done < "$RECORD"
}

# replace: that record is the one from now on, whole or not at all.
replace() {
    sync "$new"
    mv -fT "$new" "$RECORD"
}

# record ADDRESS/PREFIX INTERFACE DOCUMENT: records that.
record() {
    others "${1%/*}" "$2"
    printf '%s %s %s\n' "$1" "$2" "$3" >> "$new"
    replace
}

# forget ADDRESS INTERFACE: records it no longer.
forget() {
    others "$1" "$2"
    replace
}
