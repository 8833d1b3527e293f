#!/bin/sh
# ours: every file that a way back has to restore, from the root on: our swanctl files, those without keys, the record
# of VIPs. A link is not ours.
ours() {
    for file in $OWNED "$RECORD" "$FOLDER"/tw-*.conf; do
        if [ -f "$file" ] && [ ! -L "$file" ]; then printf '%s\n' "${file#/}"; fi
    done
}
