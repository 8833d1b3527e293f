#!/bin/sh
# Brings a router without this program to where an apply would: site.sh FILE CONF VIP INTERFACE LOCAL REMOTE DROPPED
#   FILE CONF       a file of swanctl and its text
#   VIP INTERFACE   the address of the tunnel with its prefix length, and where it belongs
#   LOCAL REMOTE    the networks at either end, as nftables lists them
#   DROPPED         remote addresses to which nothing is forwarded
set -eu
file=$1 conf=$2 vip=$3 interface=$4 local=$5 remote=$6 dropped=$7
(umask 077 && printf %s "$conf" > "/etc/swanctl/conf.d/$file")
ip address replace "$vip" dev "$interface"
echo 1 > /proc/sys/net/ipv4/ip_forward
for setting in /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/send_redirects; do
    echo 0 > "$setting"
done
nft -f - <<RULES
table ip test
delete table ip test
table ip test {
    chain nat {
        type nat hook postrouting priority 90; policy accept;
        ip saddr { $local } ip daddr { $remote } snat to ip saddr
    }
    chain directed {
        type filter hook forward priority 0; policy accept;
        ip daddr { $dropped } drop
    }
    chain forged {
        type filter hook forward priority 0; policy accept;
        iifname "$interface" meta ipsec missing ip saddr { $remote } ip daddr { $local } drop
    }
    chain leak {
        type filter hook postrouting priority 80; policy accept;
        oifname "$interface" rt ipsec missing ip saddr { $local } ip daddr { $remote } drop
    }
}
RULES
swanctl --load-all
