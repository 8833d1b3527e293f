#!/bin/sh
# sas: a line for each IKE_SA: its connection, its number, its SPIs and those of its CHILD_SAs. A number means
# something until charon restarts, an SPI for good.
sas() {
    listed=$(timeout -k 5 20 swanctl --list-sas) || return
    printf '%s\n' "$listed" | awk '
        /^[^ ]/ { if (line) print line; sub(/:$/, "", $1); sub(/^#/, "", $2); sub(/,$/, "", $2)
            line = $1 " " $2 " " $(NF - 1) "/" $NF; gsub(/[*]/, "", line) }
        /^    in  / { sub(/,$/, "", $2); line = line " " $2 }
        END { if (line) print line }'
}
