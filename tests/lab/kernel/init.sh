#!/bin/sh
# PID 1 of the virtual machine: two routers and two hosts as network namespaces, and an sshd for each
# router and for the machine itself, all behind qemu's one interface.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs run /run
mkdir -p /run/sshd /root
modprobe virtio_pci
modprobe virtio_net
modprobe virtio_rng
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip link add wan type bridge mcast_snooping 0
ip link set wan up

router() { # name number
    for space in "$1" "host-$1"; do
        ip netns add "$space"
        ip -n "$space" link set lo up
    done
    ip link add "wan-$1" type veth peer name eth0 netns "$1"
    ip link set "wan-$1" master wan up
    ip link add "lan-$1" type veth peer name eth0 netns "host-$1"
    ip link set "lan-$1" netns "$1" name eth1
    ip -n "$1" address add "203.0.113.$2/24" dev eth0
    ip -n "$1" address add "10.$2.0.1/24" dev eth1
    ip -n "$1" link set eth0 up
    ip -n "$1" link set eth1 up
    ip -n "host-$1" address add "10.$2.0.10/24" dev eth0
    ip -n "host-$1" link set eth0 up
    ip -n "host-$1" route add default via "10.$2.0.1"
    # A default route: what is not tunnelled would leave, towards the other router.
    ip -n "$1" route add default via "203.0.113.$((3 - $2))"
    mkdir -p "/srv/$1"
    cp -a /etc "/srv/$1/etc"
    # shellcheck disable=SC2016 # the inner shell expands it
    nsenter --net="/run/netns/$1" unshare --mount sh -c '
        mount --bind "/srv/$0/etc" /etc
        mount -t tmpfs run /run
        mount -t tmpfs log /var/log/charon
        mkdir -p /run/charon /run/sshd
        export DATA_PLANE=kernel VROUTER_CIDRS="10.$1.0.0/24" VROUTER_INTERFACES=eth1
        exec /usr/local/lib/tunnelwright/entrypoint.sh router' "$1" "$2" &
    python3 /listen.py "220$2" nsenter --target "$!" --mount --net &
}

router paris 1
router tokyo 2
python3 /listen.py 2200 &
echo "machine is up"
while :; do wait; sleep 1; done
