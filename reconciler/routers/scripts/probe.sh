#!/bin/sh
# Sends $1 echo requests on each of several ways, and begins with the next way every $2 seconds. A way is a pair of
# the arguments after that: its source, one of the router's own addresses, and its destination. Says a line for each:
# its number, and the last two lines of ping.
# Each ping ends by itself; all of them have ended when this does.
count=$1
pause=$2
shift 2
way=0
while [ $# -gt 0 ]; do
    if [ "$way" -gt 0 ]; then sleep "$pause"; fi
    {
        said=$(ping -n -q -c "$count" -i 0.2 -W 2 -I "$1" "$2" 2>&1 | tail -n 2 | tr '\n' ' ')
        echo "$way $said"
    } &
    way=$((way + 1))
    shift 2
done
wait
