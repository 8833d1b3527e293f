#!/bin/sh
# PID 1 of every lab container. `router` supervises charon as Debian's strongswan.service does; `host`
# discards what is sent to it; `wire` only stays. SIGTERM ends each at once.
#
# Environment of a router:
#   DATA_PLANE           kernel | userspace
#   VROUTER_CIDRS        VPC networks whose traffic is translated, separated by spaces
#   VROUTER_INTERFACES   the router's VPC interfaces, separated by spaces
#   LAB_OWNER            uid:gid of the controller, who gets the VICI socket and the log
set -eu

socket=/run/charon/charon.vici
child=

stop() {
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
    exit 0
}
trap stop TERM INT

join() { # words of "$1", separated by ", "
    echo "$1" | sed 's/  */, /g'
}

# What a vRouter has before any tunnel exists: source NAT for everything that leaves its VPC
# networks, on whatever interface, ipsec0 included. A tunnel must exempt itself from it.
load_baseline() {
    [ -n "${VROUTER_CIDRS:-}" ] || return 0
    nft -f - <<RULES
table ip vrouter
delete table ip vrouter
table ip vrouter {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr { $(join "$VROUTER_CIDRS") } oifname != { $(join "$VROUTER_INTERFACES") } masquerade
    }
}
RULES
}

choose_data_plane() {
    if [ "${DATA_PLANE:-kernel}" = userspace ]; then
        cat > /etc/strongswan.d/zz-lab-plane.conf <<CONF
charon {
    plugins {
        kernel-libipsec {
            load = 10
            raw_esp = yes
        }
    }
}
CONF
    fi
}

# Loads the files of /etc/swanctl once charon answers, then opens the socket and the log to the
# controller's account alone.
load_configuration() {
    tries=0
    until swanctl --load-all >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! kill -0 "$child" 2>/dev/null; then return 0; fi
        if [ "$tries" -gt 100 ]; then
            echo "swanctl --load-all fails:" >&2
            swanctl --load-all >&2 || true
            break
        fi
        sleep 0.05
    done
    if [ -n "${LAB_OWNER:-}" ]; then
        chown "$LAB_OWNER" "$socket" /var/log/charon/charon.log || true
    fi
    chmod 0660 "$socket" || true
    chmod 0600 /var/log/charon/charon.log || true
    : > /run/charon/ready
}

# A new network namespace inherits settings of the machine that the lab runs on (an engine turns
# forwarding on there). A router starts from a stock system's instead, wherever the lab runs.
reset_sysctls() {
    echo 0 > /proc/sys/net/ipv4/ip_forward
    for scope in all default; do
        echo 1 > "/proc/sys/net/ipv4/conf/$scope/send_redirects"
        echo 1 > "/proc/sys/net/ipv4/conf/$scope/rp_filter"
    done
}

# A router without systemd calls what tunnelwright has written itself: the guards before the network, kernel
# settings and VIPs once the interfaces are there, and both before charon. Without these files it has nothing to
# wait for.
load_guards() {
    # What /run of a machine forgets, a container keeps.
    rm -rf /run/tunnelwright*
    [ ! -x /etc/tunnelwright/load ] || /etc/tunnelwright/load || echo "the guards are not those that were written" >&2
}

bring_up() {
    [ -x /etc/tunnelwright/up ] || return 0
    tries=0
    until wired || [ "$tries" -gt 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    /etc/tunnelwright/up || true
}

wired() { # whether every interface of which there are settings is up; the wire gives it its addresses before that
    while IFS=/ read -r _ _ _ interface _; do
        case $interface in '' | all) continue ;; esac
        [ -n "$(ip -o link show dev "$interface" up 2>/dev/null)" ] || return 1
    done < /etc/sysctl.d/99-tunnelwright.conf
}

router() {
    reset_sysctls
    load_guards
    load_baseline
    choose_data_plane
    bring_up
    umask 077
    while :; do
        rm -f "$socket" /run/charon/ready
        /usr/sbin/charon-systemd &
        child=$!
        load_configuration
        wait "$child" || true
        sleep 0.2
    done
}

# The discard service (RFC 863) without a process: captures see the packets, and no ICMP error
# carries their payloads back.
load_discard() {
    nft -f - <<RULES
table ip lab {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 9 drop
    }
}
RULES
}

stay() {
    while :; do
        sleep infinity &
        child=$!
        wait "$child" || true
    done
}

case "${1:-wire}" in
router) router ;;
host | bystander)
    load_discard
    stay
    ;;
wire) stay ;;
*)
    echo "unknown role: $1" >&2
    exit 64
    ;;
esac
