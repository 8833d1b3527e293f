#!/bin/sh
# The timer of an armed router: a transient unit of systemd, else a process of its own. Neither outlives a restart of
# the router, which is why a router that restarts while it is armed goes back at its boot.

# start_timer SECONDS ID: runs go-back then, from the arming ID and no later one. It belongs to no login, and holds no
# output open.
start_timer() {
    if [ -d /run/systemd/system ]; then
        systemctl stop tunnelwright-confirm.timer 2>/dev/null || :
        systemctl reset-failed tunnelwright-confirm.service 2>/dev/null || :
        # Without an accuracy systemd allows itself to be late by a minute (systemd.timer(5)). What brings tunnels
        # up goes on when the script has ended.
        systemd-run --quiet --collect --unit=tunnelwright-confirm --on-active="$1" \
            --timer-property=AccuracySec=100ms --property=Type=oneshot --property=KillMode=process \
            /bin/sh "$WAY_BACK/go-back" deadline "$2" >/dev/null 9>&-
    else
        # shellcheck disable=SC2016 # expanded by the process itself
        TUNNELWRIGHT_COMMAND='' setsid sh -c 'trap "" HUP; sleep "$1"; exec /bin/sh "$2" deadline "$3"' \
            timer "$1" "$WAY_BACK/go-back" "$2" </dev/null >/dev/null 2>&1 9>&- &
        echo "$!" > "$WAY_BACK/process"
    fi
}

# stop_timer: ends it, unless it is what runs this.
stop_timer() {
    if [ -d /run/systemd/system ]; then systemctl stop tunnelwright-confirm.timer 2>/dev/null || :; fi
    [ -f "$WAY_BACK/process" ] || return 0
    read -r process < "$WAY_BACK/process" || return 0
    [ "$process" != "$$" ] || return 0
    # A number may be another process' by now.
    if grep -qsF "$WAY_BACK/go-back" "/proc/$process/cmdline"; then kill -s KILL -- "-$process" 2>/dev/null || :; fi
}
