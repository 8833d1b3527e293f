"""Running a command over SSH, with standard input, and what it writes, within bounds.

asyncssh's own `run` collects whatever comes. Here what is read is counted as it is read, and the channel is
closed when it is too much, or too late; asyncssh itself holds no more than its window.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import asyncssh

from reconciler.model import bounds
from reconciler.routers.allowance import Allowance
from reconciler.routers.shell_host import Completed

_CHUNK = 65536


async def run_over_ssh(
    connection: asyncssh.SSHClientConnection, command: str, stdin: bytes, allowance: Allowance
) -> Completed | None:
    """Run a command to its end; None when it ended without a status.

    Raises what asyncssh raises when the connection breaks, and what the allowance raises.
    """
    clock = asyncio.get_running_loop()
    out, err = bytearray(), bytearray()

    def keep_error(data: bytes) -> None:
        if len(err) < bounds.ROUTER_STDERR_BYTES:
            err.extend(data)

    try:
        async with asyncio.timeout(allowance.left()) as limit:

            def moved() -> None:
                limit.reschedule(clock.time() + allowance.left())

            process = await connection.create_process(command, encoding=None)
            try:
                await _together(
                    _send(process.stdin, stdin, allowance, moved),
                    _receive(process.stdout, out.extend, allowance, moved),
                    _receive(process.stderr, keep_error, allowance, moved),
                )
                await process.wait_closed()
            finally:
                # Of a process that has ended nothing is left to close.
                process.close()
    except TimeoutError:
        if limit.expired():
            raise allowance.late() from None
        raise
    status = process.exit_status
    # -1 is what asyncssh says of one that was killed by a signal.
    return None if status is None else Completed(status, bytes(out), bytes(err))


async def _together(*work: Any) -> None:  # noqa: ANN401 - coroutines
    """The first failure ends all."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _send(writer: Any, stdin: bytes, allowance: Allowance, moved: Callable[[], None]) -> None:  # noqa: ANN401
    # A command that ends before it has read everything says itself why.
    with contextlib.suppress(OSError):
        for begin in range(0, len(stdin), _CHUNK):
            chunk = stdin[begin : begin + _CHUNK]
            writer.write(chunk)
            await writer.drain()
            allowance.sent(len(chunk))
            moved()
        writer.write_eof()


async def _receive(
    reader: Any,  # noqa: ANN401 - asyncssh's readers have their type at run time alone
    keep: Callable[[bytes], None],
    allowance: Allowance,
    moved: Callable[[], None],
) -> None:
    while data := await reader.read(_CHUNK):
        allowance.took(len(data))
        keep(data)
        moved()
