#!/bin/sh
# held: who holds the lock. Sets `owner` (empty: it is free), the seconds that are `left`, and `now`.
# /run does not outlive the router, and neither does a lock; so its time is that since the router's start,
# which no correction of the clock moves. Whatever else lies where the lock should is no lock: another
# kind of file, more than LOCK_FILE_BYTES, other words, or an end that no lease (LEASE_SECONDS) reaches.
lock=/run/tunnelwright.lock
held() {
    owner='' left=0
    read -r now _ < /proc/uptime
    now=${now%%.*}
    if [ -f "$lock" ] && [ ! -L "$lock" ]; then
        line=$(head -c "$LOCK_FILE_BYTES" "$lock" 2>/dev/null | tr -d '\000' | head -n 1)
        until=${line##* }
        case $until in '' | 0* | *[!0-9]* | ???????????*) ;; *) left=$((until - now)) owner=${line%% *} ;; esac
        case "$owner $until" in "$line") ;; *) left=0 ;; esac
        if [ "$left" -gt "$LEASE_SECONDS" ]; then left=0; fi
    fi
    if [ "$left" -le 0 ]; then owner=''; fi
}
