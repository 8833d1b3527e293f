#!/bin/sh
# Checks the subject of a commit's message: scripts/subject.sh FILE
# At most 72 characters, no full stop, and an empty line before the body.
set -eu
subject=$(head -n 1 "$1")
length=$(printf %s "$subject" | LC_ALL=C.UTF-8 wc -m)
status=0
if [ "$length" -eq 0 ] || [ "$length" -gt 72 ]; then
    echo "the subject has $length characters; 1 to 72 are allowed" >&2
    status=1
fi
case $subject in *.)
    echo "the subject ends with a full stop" >&2
    status=1
    ;;
esac
if [ -n "$(sed -n '2{/^#/!p;}' "$1")" ]; then
    echo "the line after the subject is not empty" >&2
    status=1
fi
exit "$status"
