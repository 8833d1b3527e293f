"""Ask a peer that has narrowed the selectors for the selectors that it has not agreed to, beside what it has.

charon negotiates no second CHILD_SA of an equal configuration ("existing duplicate"), and a rekey goes by the
configuration that the CHILD_SA was made with, at both ends. So a narrowed CHILD_SA stays as it is, also after
the peer has caught up. Here the lacking selectors alone are asked for, in the IKE_SA that runs: a peer that
does not agree refuses that one exchange (TS_UNACCEPTABLE), and no SA that carries traffic is touched. What it
does agree to comes up at once. When nothing is lacking any more, one CHILD_SA of all selectors takes the
place of the others, if the peer agrees to that as well; one that takes a pair of networks at a time keeps
several.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.apply import establish
from reconciler.apply.establish import Ending, cause_of, initiate, retire, terminate
from reconciler.facets.sas import asking, not_agreed, printed, whole
from reconciler.facets.sas.agreement import without
from reconciler.facets.sas.selectors import Block, lacking
from reconciler.model import bounds
from reconciler.model.errors import CommandRejected
from reconciler.model.listing import listed
from reconciler.model.router_config import ChildSa, IkeSa
from reconciler.model.swanctl import Settings, plain
from reconciler.observe.state import read_sas
from reconciler.routers.protocol import Vici

ASKING: Final = "~asks"
"""What follows the name of a connection in the name of the one by which its peer is asked; a document's name
holds no such character. It is loaded while it is asked for alone: what a crash leaves is removed by the next
plan, as a tunnel that is not in Git."""
_SHOWN: Final = 4
_ESTABLISHED: Final = re.compile(r"CHILD_SA \S+\{(\d{1,10})\} established")


def widen(vici: Vici, connection: str, settings: Settings, timeout: float) -> str:
    """Ask for what the CHILD_SAs of a connection do not carry, within `timeout` seconds; why not all of it is
    carried then, empty where it is. `settings` are those of the connection as it is loaded.

    Raises RouterUnreachable, AnswerNotUnderstood.
    """
    asker = _Asker(vici, connection, settings, time.monotonic() + min(timeout, bounds.ESTABLISH_SECONDS))
    try:
        return asker.ask()
    finally:
        asker.forget()


@dataclass(slots=True)
class _Asker:
    """One connection whose peer is asked."""

    vici: Vici
    connection: str
    settings: Settings
    until: float
    said: str = ""
    """Why the peer has refused, by charon's words."""

    @property
    def name(self) -> str:
        """The connection by which it is asked."""
        return f"{self.connection}{ASKING}"

    def ask(self) -> str:
        """Ask for all that is lacking, and put together what is complete then."""
        before = not_agreed(self.settings, self._running())
        blocks = [(child, block) for child, lacks in before.items() for block in lacks]
        for child, block in blocks[: bounds.ASKED_AGAIN]:
            if time.monotonic() < self.until:
                self._ask_for(child, block)
        running = self._running()
        rest = not_agreed(self.settings, running)
        for child in before.keys() - rest.keys():
            self._put_together(child)
        return self._sentence(running, rest) if rest else ""

    def forget(self) -> None:
        """Unload the connection by which it was asked, and end what came up under its name: an IKE_SA whose
        configuration is no longer the one that is loaded does not serve."""
        if read_sas(self.vici, self.name):
            terminate(self.vici, self.name, Ending())
        try:
            self.vici.request("unload-conn", {"name": self.name})
        except CommandRejected:
            # It was not loaded: nothing was lacking any more.
            return

    def _ask_for(self, child: str, block: Block) -> None:
        """Bring up a CHILD_SA for a block; it goes again where the peer narrowed it to what ran before."""
        new = self._negotiate(child, block)
        running = self._running()
        if new and not_agreed(self.settings, running) == not_agreed(self.settings, without(running, new)):
            retire(self.vici, [("child-id", number) for number in new])

    def _put_together(self, child: str) -> None:
        """One CHILD_SA for all that a child is for, in the place of several."""
        wanted = whole(self.settings, child)
        new = self._negotiate(child, wanted)
        kind = [item for sa in self._running() for item in sa.children if item.name == child]
        carried = [_block(item) for item in kind if item.id in new]
        if carried and not lacking(wanted, carried):
            time.sleep(establish.OVERLAP)
            new = {item.id for item in kind} - new
        retire(self.vici, [("child-id", number) for number in sorted(new, key=int)])

    def _negotiate(self, child: str, block: Block) -> set[str]:
        """The numbers of the CHILD_SAs that came up; none where the peer has refused."""
        self.vici.request("load-conn", {self.name: plain(asking(self.settings, child, block))})
        failure, words = initiate(self.vici, self.name, child, str(bounds.ANSWER_MILLISECONDS))
        self.said = cause_of(words, failure) if failure else ""
        return {number for line in words for number in _ESTABLISHED.findall(line)}

    def _running(self) -> tuple[IkeSa, ...]:
        return read_sas(self.vici, self.connection)

    def _sentence(self, running: Iterable[IkeSa], rest: Mapping[str, tuple[Block, ...]]) -> str:
        agreed = [_block(item) for sa in running for item in sa.children if item.name in rest]
        missing = printed(block for lacks in rest.values() for block in lacks)
        said = f" ({self.said})" if self.said else ""
        return (
            f"the peer has agreed to {listed(dict.fromkeys(printed(agreed)), _SHOWN)}, not to "
            f"{listed(missing, _SHOWN)}{said}"
        )


def _block(child: ChildSa) -> Block:
    return child.local_ts, child.remote_ts
