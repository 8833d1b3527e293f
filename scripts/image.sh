#!/bin/sh
# Puts together what the reconciler's image is built from: scripts/image.sh VENV FOLDER
# Packages are fetched here, by hash, for the image's Python; the build itself asks no package index.
set -eu
venv=$1
folder=$2
python=3.13

rm -rf "$folder"
mkdir -p "$folder"
cp deploy/container/Dockerfile "$folder"
"$venv/bin/python" -m uv pip install --quiet --target "$folder/lib" --python-version "$python" \
    --python-platform "$(uname -m)-manylinux_2_28" --require-hashes --only-binary :all: \
    --requirement deploy/container/requirements.lock
"$venv/bin/python" -m uv pip install --quiet --target "$folder/lib" --python-version "$python" \
    --no-deps --no-build-isolation .
rm -rf "$folder/lib/bin"
