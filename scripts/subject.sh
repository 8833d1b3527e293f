#!/bin/sh
# Checks the subject of a commit's message: scripts/subject.sh FILE
# At most 72 characters, no full stop, an empty line before the body, and a body, which says why; a merge needs none.
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
case $subject in Merge\ *) ;; *)
    if [ -z "$(sed -n '3,$p' "$1" | grep -v '^#' | tr -d '[:space:]')" ]; then
        echo "there is no body that says why" >&2
        status=1
    fi
    ;;
esac
exit "$status"
