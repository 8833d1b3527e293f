"""Events of routers that are not kept yet: one line for each router, and a bound on all of them.

When there is no room, the router that has most waiting gives way, with its latest. So one that sends without
end takes nothing from the others, and one that sends much at once (all of its tunnels go down) may use what
is free.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable

from reconciler.model.tunnel_event import TunnelEvent


class Backlog:
    """At most `most` events. Any thread may put; one takes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: dict[str, deque[tuple[int, TunnelEvent]]] = {}
        self._count = 0
        self._arrived = 0
        self._dropped: Counter[str] = Counter()
        self._changed = threading.Condition()

    def put(self, events: Iterable[TunnelEvent]) -> None:
        """Take events of one router. It neither waits nor fails."""
        with self._changed:
            for event in events:
                self._put(event)
            self._changed.notify()

    def take(self, most: int, seconds: float) -> list[TunnelEvent]:
        """Up to so many, of each router as many as of the others while they have any, in the order in which
        they arrived; waits for the first one."""
        taken: list[tuple[int, TunnelEvent]] = []
        with self._changed:
            self._changed.wait_for(lambda: self._count > 0, seconds)
            while self._lines and len(taken) < most:
                share = max(1, (most - len(taken)) // len(self._lines))
                for line in self._lines.values():
                    room = min(share, len(line), most - len(taken))
                    taken += [line.popleft() for _ in range(room)]
                self._lines = {router: line for router, line in self._lines.items() if line}
            self._count -= len(taken)
        return [event for _, event in sorted(taken, key=lambda item: item[0])]

    def dropped(self) -> Counter[str]:
        """How many events of each router found no room since this was asked last."""
        with self._changed:
            dropped, self._dropped = self._dropped, Counter()
        return dropped

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._count

    def _put(self, event: TunnelEvent) -> None:
        line = self._lines.setdefault(event.router, deque())
        if self._count >= self._most:
            # Who has its share already is not worth a search.
            longest = (
                line if len(line) * len(self._lines) >= self._most else max(self._lines.values(), key=len)
            )
            if longest is line:
                self._dropped[event.router] += 1
                return
            _, lost = longest.pop()
            self._dropped[lost.router] += 1
            self._count -= 1
        self._arrived += 1
        line.append((self._arrived, event))
        self._count += 1
