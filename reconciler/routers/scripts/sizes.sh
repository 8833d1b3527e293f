#!/bin/sh
# Sends $1 echo requests of each of several sizes from $2, one of the router's own addresses, to $3. All other
# arguments are sizes: the bytes of data of a request, which may not be fragmented. Writes a line for each: its
# number, and the last two lines of ping.
# Each ping ends by itself; all of them have ended when this does.
count=$1
from=$2
to=$3
shift 3
way=0
for size in "$@"; do
    {
        said=$(ping -n -q -M 'do' -s "$size" -c "$count" -i 0.05 -W 2 -I "$from" "$to" 2>&1 | tail -n 2 | tr '\n' ' ')
        echo "$way $said"
    } &
    way=$((way + 1))
done
wait
