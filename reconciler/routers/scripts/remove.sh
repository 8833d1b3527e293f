#!/bin/sh
# Removes the files of FOLDER that standard input names, one a line.
set -eu
cd "$FOLDER"
tr '\n' '\0' | xargs -0 -r rm -f --
