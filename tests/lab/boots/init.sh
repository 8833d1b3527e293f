#!/bin/sh
# The first process: loads the drivers of the machine's devices, mounts the disk, and gives way to systemd.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in failover net_failover virtio_net virtio-rng virtio_blk; do
    /bin/busybox insmod "/modules/$module.ko"
done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.05; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
