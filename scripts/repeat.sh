#!/bin/sh
# Runs a command again and again until it fails: scripts/repeat.sh TIMES FOLDER COMMAND...
# FOLDER gets the output of each run (01.log, 02.log, ...); the last lines of each are shown.
set -eu
times=$1
folder=$2
shift 2
rm -rf "$folder"
mkdir -p "$folder"
run=1
while [ "$run" -le "$times" ]; do
    log=$(printf '%s/%02d.log' "$folder" "$run")
    began=$(date +%s)
    status=0
    "$@" >"$log" 2>&1 || status=$?
    echo "run $run of $times: $(tail -n 1 "$log") ($(($(date +%s) - began)) s)"
    if [ "$status" -ne 0 ]; then
        echo "run $run of $times failed, see $log" >&2
        exit "$status"
    fi
    run=$((run + 1))
done
