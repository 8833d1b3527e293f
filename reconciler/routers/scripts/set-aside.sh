#!/bin/sh
# Renames the file $1 to $1.adopted. A file of that name is not overwritten, neither now nor when it is
# written anew.
set -eu
if [ -e "$1.adopted" ]; then echo "$1.adopted is there already" >&2; exit 1; fi
mv -- "$1" "$1.adopted"
