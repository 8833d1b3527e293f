#!/bin/sh
# What the shell of a container is told first: how to run a command and to mark the end of its output.

# run MARK COMMAND...: the command without input; then a mark on both of its outputs, with its exit status.
run() {
    mark=$1
    shift
    "$@" </dev/null
    ended
}

# feed MARK INPUT COMMAND...: the same, with input as `printf %b` reads it. What may be a key is no variable of
# the environment: one of the container's that has this name would hand it to the command.
feed() {
    unset input
    mark=$1 input=$2
    shift 2
    printf %b "$input" | "$@"
    ended
    unset input
}

ended() {
    printf '%s %s\n' "$mark" "$?"
    echo "$mark" >&2
}
