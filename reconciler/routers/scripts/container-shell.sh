#!/bin/sh
# What the shell of a container reads first: how to run a command and to mark the end of its output.

# run MARK NAME COMMAND...: the command without input; then a mark on both of its outputs, with its exit status.
# By its name, which all that it starts has in its environment, it is ended when it is given up (end.sh).
run() {
    mark=$1 name=$2
    shift 2
    TUNNELWRIGHT_COMMAND=$name "$@" </dev/null
    ended
}

# feed MARK NAME INPUT COMMAND...: the same, with input as `printf %b` reads it. What may be a key is no variable of
# the environment: one of the container's that has this name would hand it to the command.
feed() {
    unset input
    mark=$1 name=$2 input=$3
    shift 3
    printf %b "$input" | TUNNELWRIGHT_COMMAND=$name "$@"
    ended
    unset input
}

ended() {
    printf '%s %s\n' "$mark" "$?"
    echo "$mark" >&2
}
