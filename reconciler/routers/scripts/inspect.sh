#!/bin/sh
# Writes every firewall rule, MARK, and every route.
set -eu
nft -j list ruleset
echo "$MARK"
ip -4 -j route show table all
