#!/bin/sh
# started: what differs after each start of the router. A container keeps the kernel of its machine, so the kernel's
# own mark is not enough: the first process shows when the container began.
started() {
    # The name of a process may have spaces (proc(5)).
    begun=$(sed 's/.*) //' /proc/1/stat | cut -d' ' -f20)
    echo "$(cat /proc/sys/kernel/random/boot_id)/$begun"
}
