#!/bin/sh
# Makes this namespace a router of its own, with its mounts below the folder $1, and stays.
set -e
mount -t tmpfs scratch "$1"
for place in etc usr/sbin; do
    upper=$1/$(echo "$place" | tr / -)
    mkdir -p "$upper/upper" "$upper/work"
    mount -t overlay overlay -o "lowerdir=/$place,upperdir=$upper/upper,workdir=$upper/work" "/$place"
done
mount -t tmpfs run /run
mount -t tmpfs state /var/lib
rm -rf /etc/tunnelwright /etc/swanctl
mkdir -p /etc/swanctl/conf.d
ip link set lo up
for program in swanctl systemctl systemd-run; do
    rm -f "/usr/sbin/$program"
    { echo '#!/bin/sh'; echo "echo \"$program \$*\" >> /run/asked"; } > "/usr/sbin/$program"
    chmod +x "/usr/sbin/$program"
done
echo '[ "$*" != --list-sas ] || cat /run/sas 2>/dev/null || :' >> /usr/sbin/swanctl
# Here is no power to be cut, and no process for which the scripts would have to wait before they try again.
printf '#!/bin/sh\n' > /usr/sbin/sync
chmod +x /usr/sbin/sync
# shellcheck disable=SC2016 # these expand when it is run
printf '#!/bin/sh\n[ "$1" = 2 ] || exec /usr/bin/sleep "$@"\n' > /usr/sbin/sleep
chmod +x /usr/sbin/sleep
echo ready
exec /usr/bin/sleep infinity
