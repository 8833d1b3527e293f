"""Sends prepared packets at a steady pace. Runs inside lab containers: standard library only.

    send.py l3 FILE RATE            raw IPv4 packets, routed by the kernel
    send.py l2 FILE RATE INTERFACE  whole Ethernet frames, as they are

FILE holds packets one after another, each led by its length as four bytes in network order. RATE is in
packets a second. The schedule is absolute, so a late packet does not delay those after it. SIGTERM
ends the run early. The last line on standard output is JSON: `sent`, `errors`, `started`, `ended`
(seconds since the epoch) and `first_error`.
"""

import json
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from types import FrameType

MODES = ("l2", "l3")


class Stop(Exception):
    """Raised by the signal handler, wherever the loop is."""


def on_signal(_number: int, _frame: FrameType | None) -> None:
    """Leave the loop; what was sent so far is reported."""
    raise Stop


def packets(data: bytes) -> list[bytes]:
    """Cut the file into packets."""
    found = []
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from("!I", data, offset)
        offset += 4
        found.append(data[offset : offset + length])
        offset += length
    return found


def main(argv: list[str]) -> int:
    """Send the file; see the module's text for the arguments."""
    mode, path, rate = argv[1], argv[2], float(argv[3])
    if mode not in MODES:
        sys.stderr.write(f"unknown mode: {mode}\n")
        return 64
    todo = packets(Path(path).read_bytes())
    if mode == "l3":
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    else:
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind((argv[4], 0))
    signal.signal(signal.SIGTERM, on_signal)
    sent = errors = 0
    first_error = ""
    started = time.time()
    begin = time.monotonic()
    try:
        for number, packet in enumerate(todo):
            wait = begin + number / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                if mode == "l3":
                    sender.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
                else:
                    sender.send(packet)
                sent += 1
            except OSError as error:
                # A route that is missing for a moment is a lost packet, not the end of the run.
                errors += 1
                first_error = first_error or str(error)
    except Stop:
        pass
    report = {
        "sent": sent,
        "errors": errors,
        "started": started,
        "ended": time.time(),
        "first_error": first_error,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
