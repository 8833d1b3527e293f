#!/bin/sh
# shellcheck disable=SC2154 # `new` is the script's
# Whatever ends the script, nothing of `new` is left. dash does not run EXIT's trap when a signal ends it.
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
