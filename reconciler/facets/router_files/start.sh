#!/bin/sh
# Brings our tunnels up after charon has started: only this router knows that its SAs are gone, and its
# peers go on with theirs. charon runs it (start-scripts in strongswan.conf) and waits for its end before it
# takes connections, so the work is done behind it.
# Who is to be first waits a little, since a peer that has packets to send may be faster. The other end of a
# managed tunnel waits longer, so that not both begin when both have started.
folder=/etc/swanctl/conf.d
newest=/run/tunnelwright-start

# dash cannot close files by numbers of two digits.
if [ -z "${BASH_VERSION:-}" ] && command -v bash >/dev/null; then exec bash "$0"; fi

# charon starts this by popen(3), which hands on its sockets and its TUN device. What outlives charon must not
# hold them: the next charon could not bind its ports.
let_go() {
    for file in /proc/self/fd/*; do
        number=${file##*/}
        case $number in
        [012]) ;;
        [3-9]) eval "exec $number>&-" ;;
        *) [ -z "${BASH_VERSION:-}" ] || eval "exec $number>&-" ;;
        esac
    done
}
# Whether charon has not started again since; what it started then does the work.
current() { [ "$(cat "$newest")" = "$$" ]; }
# Connection and child, a line each: all that are loaded, and those with a CHILD_SA.
loaded() {
    swanctl --list-conns | awk '
        /^[^ ]/ { name = $1; sub(/:$/, "", name) }
        /^  [^ ]+: TUNNEL/ && name ~ /^tw-/ { child = $1; sub(/:$/, "", child); print name, child }'
}
running() {
    swanctl --list-sas | awk '
        /^[^ ]/ { name = $1; sub(/:$/, "", name) }
        /^  [^ ]+: #.* INSTALLED,/ { child = $1; sub(/:$/, "", child); print name, child }'
}
# The lines of standard input that are not running yet.
begin() {
    up=$(running)
    while read -r name child; do
        current || return 0
        case "
$up
" in *"
$name $child
"*) continue ;; esac
        swanctl --initiate --ike "$name" --child "$child" --timeout -1
    done
}

echo "$$" > "$newest"
{
    let_go
    wanted=$(find "$folder" -maxdepth 1 -name 'tw-*.conf' | wc -l)
    tries=0
    until [ "$(loaded | cut -d' ' -f1 | sort -u | wc -l)" -ge "$wanted" ] || [ "$tries" -ge 300 ]; do
        tries=$((tries + 1))
        current || exit 0
        sleep 0.1
    done
    second=$(grep -lx '# Begun by: the other end' "$folder"/tw-*.conf | sed 's|.*/||; s|\.conf$||' || :)
    sleep 0.2
    loaded | while read -r name child; do
        case "
$second
" in *"
$name
"*) ;; *) echo "$name $child" ;; esac
    done | begin &
    sleep 1
    loaded | begin
} </dev/null >/dev/null 2>&1 &
