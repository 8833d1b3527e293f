"""listen.py PORT [COMMAND…]: an sshd for each connection, started through it. For Debian's minimal Python."""

import os
import signal
import socket
import sys

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
command = [*sys.argv[2:], "/usr/sbin/sshd", "-i", "-f", "/etc/ssh/lab_config"]
# Only qemu's user network leads here.
with socket.create_server(("10.0.2.15", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(connection.fileno(), 0)
            os.dup2(connection.fileno(), 1)
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
        connection.close()
