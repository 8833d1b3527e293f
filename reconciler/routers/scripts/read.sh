#!/bin/sh
# Writes an archive of every file that the pattern $1 names.
set -eu
# Without IFS the shell still expands the pattern, and splits nothing.
IFS=
# shellcheck disable=SC2086 # it is a pattern
for file in $1; do
    if [ -f "$file" ]; then printf '%s\0' "$file"; fi
done | tar --create --format=gnu --dereference --absolute-names --null --files-from=- --file=-
