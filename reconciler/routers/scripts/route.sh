#!/bin/sh
# Asks the kernel where it would forward packets, a line for each three arguments: source, destination, and the
# interface that they come in by. A refusal is an answer: what the kernel says of a blackhole goes where a route
# would stand.
while [ $# -gt 0 ]; do
    ip -4 -j route get "$2" from "$1" iif "$3" 2>&1 | tr '\n' ' '
    echo
    shift 3
done
