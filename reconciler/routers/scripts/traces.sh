#!/bin/sh
# Reports who may have changed the router in the last $1 seconds: the time and where the controller comes from,
# swanctl files in FOLDER, ages of charon and of the router, logins. MARK divides the parts.
# Each part does without its tool, and without the right to ask.
now=$(date +%s)
echo "$now ${SSH_CONNECTION%% *}"
echo "$MARK"
find "$FOLDER" /etc/swanctl/swanctl.conf -maxdepth 1 -type f -newermt "@$((now - $1))" \
    -printf '%T@ %u %f\n' 2>/dev/null
echo "$MARK"
ps -o etimes=,comm= -C charon-systemd,charon 2>/dev/null
echo "$(cut -d. -f1 /proc/uptime) uptime"
echo "$MARK"
journalctl --quiet --no-pager --output=short-unix --since="@$((now - $1))" \
    SYSLOG_IDENTIFIER=sshd + SYSLOG_IDENTIFIER=sshd-session + SYSLOG_IDENTIFIER=sudo 2>/dev/null |
    grep -e ': Accepted ' -e 'COMMAND=' | tail -n 50
true
