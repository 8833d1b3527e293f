#!/bin/sh
# The `ssh` of a slow line: slow_remote.sh FOLDER PYTHON PROGRAM WORD...
# Runs the command here that ssh would run there (its last word), and holds up what it writes: PROGRAM gets the
# words of the file FOLDER/pace. FOLDER/pids has the processes.
set -eu
folder=$1 python=$2 program=$3
shift 3
# "Git", ssh.variant: it asks whether this is OpenSSH.
if [ "$1" = -G ]; then exit 1; fi
for command; do :; done
echo $$ >> "$folder/pids"
read -r pause stops_after < "$folder/pace"
sh -c "$command" | exec "$python" "$program" "$pause" "$stops_after"
