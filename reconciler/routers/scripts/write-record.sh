#!/bin/sh
# Makes standard input the record.
set -eu
. ./record.sh
umask 077
mkdir -p "${RECORD%/*}"
cat > "$new"
replace
