#!/bin/sh
# Prints what an install brings, with no extra, with each, and with all: scripts/size.sh VENV WHEEL FOLDER
# Each goes into a virtual environment of its own in FOLDER, with the versions of requirements.lock; pip itself
# and compiled files are not counted.
set -eu
venv=$1 wheel=$2 folder=$3
rm -rf "$folder"
printf '%-24s %8s %6s\n' extras packages MB
for extras in '' '[docker]' '[messages]' '[page]' '[vault]' '[messages,page,vault]' '[lab]' '[docker,lab,messages,page,vault]'; do
    place=$folder/installed$extras
    "$venv/bin/python" -m venv --without-pip "$place"
    "$venv/bin/python" -m uv pip install --quiet --python "$place/bin/python" \
        --constraint requirements.lock "$wheel$extras"
    packages=$("$venv/bin/python" -m uv pip list --quiet --format freeze --python "$place/bin/python" | wc -l)
    megabytes=$(du -sm --exclude=__pycache__ "$place/lib" | cut -f 1)
    printf '%-24s %8d %6d\n' "${extras:-(none)}" "$packages" "$megabytes"
done
