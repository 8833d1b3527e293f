"""What runs on a router: POSIX sh, coreutils, findutils, iproute2, nftables, tar, flock, ping.

Nothing has a name that another account could have taken: what is written lies in folders of root's alone.
"""

from __future__ import annotations

from reconciler.facets import traces
from reconciler.model import bounds

MARK = "--tunnelwright--"

# One command for all the rest. `nft` answers "No such file or directory" where the table is missing; any
# other failure of it must not pass for that, so its own words are looked at. grep, since the kernel gives a
# setting to one read(2) and a shell reads byte by byte; no key has a colon.
SNAPSHOT = f"""
set -eu
echo "${{SSH_CONNECTION:-}}"
echo '{MARK}'
ip -j -4 address show
echo '{MARK}'
exec 3>&1
if ! said=$(nft -j list table inet tunnelwright 2>&1 >&3); then
    case $said in *'No such file'*) ;; *) printf '%s\\n' "$said" >&2; exit 1;; esac
fi
echo '{MARK}'
cd /proc/sys
[ $# -eq 0 ] || grep -sH '' "$@" || :
echo '{MARK}'
[ -d "$FOLDER" ] || mkdir -p "$FOLDER"
cd "$FOLDER"
find . -maxdepth 1 -type f -name 'tw-*.conf' -print0 |
    tar --create --format=gnu --null --files-from=- --file=-
"""

INSPECT = f"""
set -eu
nft -j list ruleset
echo '{MARK}'
ip -4 -j route show table all
"""

# Each part does without its tool, and without the right to ask.
TRACES = f"""
now=$(date +%s)
echo "$now ${{SSH_CONNECTION%% *}}"
echo '{traces.MARK}'
find "$FOLDER" /etc/swanctl/swanctl.conf -maxdepth 1 -type f -newermt "@$((now - $1))" \\
    -printf '%T@ %u %f\\n' 2>/dev/null
echo '{traces.MARK}'
ps -o etimes=,comm= -C charon-systemd,charon 2>/dev/null
echo "$(cut -d. -f1 /proc/uptime) uptime"
echo '{traces.MARK}'
journalctl --quiet --no-pager --output=short-unix --since="@$((now - $1))" \\
    SYSLOG_IDENTIFIER=sshd + SYSLOG_IDENTIFIER=sshd-session + SYSLOG_IDENTIFIER=sudo 2>/dev/null |
    grep -e ': Accepted ' -e 'COMMAND=' | tail -n 50
true
"""

# A refusal is an answer: what the kernel says of a blackhole goes where a route would stand.
ROUTE = """
while [ $# -gt 0 ]; do
    ip -4 -j route get "$2" from "$1" iif "$3" 2>&1 | tr '\\n' ' '
    echo
    shift 3
done
"""

# Without IFS the shell still expands the pattern, and splits nothing.
READ = """
set -eu
IFS=
for file in $1; do
    if [ -f "$file" ]; then printf '%s\\0' "$file"; fi
done | tar --create --format=gnu --dereference --absolute-names --null --files-from=- --file=-
"""

# Everything is unpacked beside its place first: a rename within one file system is atomic, so charon
# never loads half a file, and a full disk fails before anything is replaced.
WRITE = """
set -eu
umask 077
mkdir -p "$FOLDER"
cd "$FOLDER"
new=$(mktemp -d .tunnelwright-XXXXXX)
trap 'rm -rf "$new"' EXIT
tar --extract --no-same-owner --file=- --directory="$new"
sync
find "$new" -maxdepth 1 -type f -exec mv -f -t . {} +
"""

SYSCTLS = """
set -eu
for setting do
    printf %s "${setting#*=}" > "/proc/sys/${setting%%=*}"
done
"""

# /run does not outlive the router, and neither does a lock; so its time is that since the router's start,
# which no correction of the clock moves. Whatever else lies where the lock should is nobody's lock: another
# kind of file, other words, or an end that no lease reaches.
_HELD = f"""
lock=/run/tunnelwright.lock
held() {{
    owner= left=0
    read -r now rest < /proc/uptime
    now=${{now%%.*}}
    if [ -f "$lock" ] && [ ! -L "$lock" ]; then
        line=$(head -c {bounds.LOCK_FILE_BYTES} "$lock" 2>/dev/null | tr -d '\\000' | head -n 1)
        until=${{line##* }}
        case $until in ''|0*|*[!0-9]*|???????????*) ;; *) left=$((until - now)); owner=${{line%% *}} ;; esac
        case "$owner $until" in "$line") ;; *) left=0 ;; esac
        if [ "$left" -gt {bounds.LEASE_SECONDS} ]; then left=0; fi
    fi
    if [ "$left" -le 0 ]; then owner=; fi
}}
"""

# flock(1) makes looking and taking one act; whoever keeps it for longer than that hangs.
LOCK = f"""
set -eu
umask 077
{_HELD}
exec 9>/run/tunnelwright.guard
flock -w 2 9 || {{ [ $? -ne 1 ] || echo "another command holds /run/tunnelwright.guard" >&2; exit 1; }}
held
if [ -n "$owner" ] && [ "$owner" != "$1" ]; then
    echo "$owner $left"
    exit 75
fi
if [ -d "$lock" ] && [ ! -L "$lock" ]; then echo "$lock is a directory: remove it" >&2; exit 1; fi
if [ "$2" -gt 0 ]; then
    printf '%s %s\\n' "$1" "$((now + $2))" > "$lock.new"
    mv -fT "$lock.new" "$lock"
else
    rm -f "$lock"
fi
"""
TAKEN = 75

REMOVE = """
set -eu
cd "$FOLDER"
tr '\\n' '\\0' | xargs -0 -r rm -f --
"""

# What somebody else wrote is not overwritten, neither now nor when it is written anew.
SET_ASIDE = """
set -eu
if [ -e "$1.adopted" ]; then echo "$1.adopted is there already" >&2; exit 1; fi
mv -- "$1" "$1.adopted"
"""

# A process that has ended and waits for its parent has no command line any more.
_RUNNING = """
running() { tr '\\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -q '^ping '; }
"""

# The stream outlives the command that began it, and neither its own deadline nor the lock of whoever wants
# it: beside it runs a look at the lock, which ends it when the lock has another owner, or none. A list that
# runs beside a shell without job control ignores SIGINT (POSIX, 2.12); ping sets a handler of its own for it.
START_STREAM = f"""
set -eu
umask 077
{_HELD}
{_RUNNING}
find /run -maxdepth 1 -name 'tunnelwright-stream-*' -mmin +60 -delete
held
mine=$owner
file=$(mktemp /run/tunnelwright-stream-XXXXXX)
ping -n -i "$3" -w "$4" -I "$1" "$2" > "$file" 2>&1 < /dev/null &
ping=$!
echo "$ping $file"
if [ -n "$mine" ]; then
    {{
        while sleep 2 && kill -0 "$ping"; do
            held
            if [ "$owner" != "$mine" ]; then
                if running "$ping"; then kill -INT "$ping"; fi
                rm -f "$file"
                break
            fi
        done
    }} > /dev/null 2>&1 < /dev/null &
fi
"""

STOP_STREAM = f"""
set -eu
{_RUNNING}
if running "$1"; then kill -INT "$1"; fi
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    running "$1" || break
    sleep 0.05
done
cat "$2"
rm -f "$2"
"""
