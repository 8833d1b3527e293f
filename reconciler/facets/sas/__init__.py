"""Security associations: list-sas -> IkeSa, and whether a running SA matches the desired state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.facets.connections import printed_id
from reconciler.facets.connections.transforms import INTEGRITY, PRF, encryption, group
from reconciler.facets.sas.agreement import carrying
from reconciler.facets.sas.selectors import Block, beyond, lacking
from reconciler.model.decoding import Fields
from reconciler.model.router_config import ChildSa, Connection, IkeSa
from reconciler.model.swanctl import Change, Settings, Value, first


def decode(name: str, listed: object) -> IkeSa:
    """One IKE_SA of list-sas with its children.

    Raises AnswerNotUnderstood.
    """
    reply = Fields(listed, "list-sas", name)
    children = sorted(
        (_decode_child(child) for _, child in reply.section("child-sas", {}).sections()),
        key=lambda child: int(child.id),
    )
    return IkeSa(
        id=str(reply.number("uniqueid")),
        connection=name,
        version=reply.text("version"),
        state=reply.text("state"),
        local_address=reply.text("local-host"),
        local_id=reply.text("local-id", ""),
        remote_address=reply.text("remote-host"),
        remote_id=reply.text("remote-id", ""),
        initiator=reply.text("initiator", "") == "yes",
        algorithms=_ike_algorithms(reply),
        age=reply.number("established", 0),
        children=tuple(children),
        busy=any(
            task.startswith(_OF_CHILDREN)
            for kind in ("tasks-active", "tasks-queued", "tasks-passive")
            for task in reply.texts(kind, ())
        ),
        spis="/".join(filter(None, (reply.text("initiator-spi", ""), reply.text("responder-spi", "")))),
    )


def _decode_child(reply: Fields) -> ChildSa:
    return ChildSa(
        id=str(reply.number("uniqueid")),
        name=reply.text("name"),
        state=reply.text("state"),
        spi_in=reply.text("spi-in", "").rjust(8, "0"),
        spi_out=reply.text("spi-out", "").rjust(8, "0"),
        protocol=reply.text("protocol", ""),
        encapsulated=reply.text("encap", "") == "yes",
        algorithms=_esp_algorithms(reply),
        local_ts=reply.texts("local-ts", ()),
        remote_ts=reply.texts("remote-ts", ()),
        bytes_in=reply.number("bytes-in", 0),
        packets_in=reply.number("packets-in", 0),
        bytes_out=reply.number("bytes-out", 0),
        packets_out=reply.number("packets-out", 0),
        age=reply.number("install-time", 0),
    )


# Exchanges that make or end a CHILD_SA (task.c, task_type_names).
_OF_CHILDREN = ("CHILD_", "QUICK_")


def _ike_algorithms(reply: Fields) -> str:
    integrity = INTEGRITY.get(reply.text("integ-alg", ""))
    prf = reply.text("prf-alg", "")
    return _proposal(reply, integrity or PRF.get(prf, prf))


def _esp_algorithms(reply: Fields) -> str:
    return _proposal(reply, INTEGRITY.get(reply.text("integ-alg", ""), ""))


def _proposal(reply: Fields, integrity: str) -> str:
    cipher = encryption(reply.text("encr-alg", ""), reply.text("encr-keysize", ""))
    parts = [cipher, integrity, group(reply.text("dh-group", ""))]
    return "-".join(part for part in parts if part)


def stale_fields(connection: Connection, sa: IkeSa) -> tuple[Change, ...]:
    """Where a running IKE_SA differs from what its connection wants now: it was set up by another
    configuration and goes on with that one until it is replaced."""
    wanted = connection.settings
    children = wanted["children"]
    if not isinstance(children, Mapping) or sa.state != "ESTABLISHED":
        return ()
    found: list[Change] = []

    def expect(path: str, live: Value, desired: Value) -> None:
        if live != desired:
            found.append(Change(path, live, desired, "sa"))

    expect("sa.version", sa.version, _text(wanted, "version"))
    expect("sa.local_address", sa.local_address, first(wanted, "local_addrs"))
    expect("sa.remote_address", sa.remote_address, first(wanted, "remote_addrs"))
    for end, live_id in (("local", sa.local_id), ("remote", sa.remote_id)):
        section = wanted[end]
        if isinstance(section, Mapping):
            expect(f"sa.{end}_id", live_id, printed_id(_text(section, "id")))
    expect("sa.algorithms", sa.algorithms, first(wanted, "proposals"))
    for child in sa.children:
        configured = children.get(child.name)
        if not child.installed:
            continue
        if not isinstance(configured, Mapping):
            found.append(Change(f"sa.children.{child.name}", child.algorithms, None, "sa"))
            continue
        found += _stale_child(child, configured)
    return tuple(found)


def _stale_child(child: ChildSa, section: Settings) -> list[Change]:
    path = f"sa.children.{child.name}"
    found = []
    proposal = first(section, "esp_proposals")
    # The first CHILD_SA of an IKE_SA has no exchange of its own, so no group shows until it rekeys.
    without_group = proposal if proposal.count("-") == 0 else proposal.rpartition("-")[0]
    if child.algorithms not in {proposal, without_group}:
        found.append(Change(f"{path}.algorithms", child.algorithms, proposal, "sa"))
    for side, live in (("local_ts", child.local_ts), ("remote_ts", child.remote_ts)):
        desired = section[side]
        # A peer may narrow (RFC 7296, section 2.9): `narrowed` is what it has not agreed to.
        if isinstance(desired, tuple) and set(live) != set(desired) and beyond(live, desired):
            found.append(Change(f"{path}.{side}", live, desired, "sa"))
    return found


def not_agreed(settings: Settings, running: Iterable[IkeSa]) -> Mapping[str, tuple[Block, ...]]:
    """The children of a connection that run, but whose CHILD_SAs together carry less than is configured: what
    is lacking of each. The peer has narrowed the selectors."""
    children = settings["children"]
    sections = children if isinstance(children, Mapping) else {}
    found = {}
    for name, carried in _carried(running).items():
        section = sections.get(name)
        if isinstance(section, Mapping) and (rest := lacking(_block(section), carried)):
            found[name] = rest
    return found


def narrowed(settings: Settings, running: Iterable[IkeSa]) -> tuple[Change, ...]:
    """What the peer has agreed to, beside what is configured, where that is more."""
    running = tuple(running)
    children = settings["children"]
    carried = _carried(running)
    found = []
    for name in not_agreed(settings, running):
        section = children[name] if isinstance(children, Mapping) else {}
        wanted = _block(section) if isinstance(section, Mapping) else ((), ())
        agreed = tuple(tuple(dict.fromkeys(ts for block in carried[name] for ts in block[i])) for i in (0, 1))
        sides = [
            Change(f"sa.children.{name}.{side}", live, desired, "sa")
            for side, live, desired in zip(("local_ts", "remote_ts"), agreed, wanted, strict=True)
            if set(live) != set(desired)
        ]
        # Each side may be complete, although not every pair is.
        pairs = Change(f"sa.children.{name}.pairs", printed(carried[name]), printed([wanted]), "sa")
        found += sides or [pairs]
    return tuple(found)


def printed(blocks: Iterable[Block]) -> tuple[str, ...]:
    """Blocks as charon's log has them: `10.1.0.0/24 === 10.2.0.0/24`."""
    return tuple(f"{' '.join(local)} === {' '.join(remote)}" for local, remote in blocks)


def asking(settings: Settings, child: str, block: Block) -> Settings:
    """A connection that differs from the desired one in nothing but what its only child is for, so that
    charon negotiates that child in the IKE_SA that runs (ike_sa_manager.c, checkout_by_config). It starts
    nothing by itself, and for that difference alone charon takes it for no duplicate of a child that runs.
    """
    children = settings["children"]
    section = children[child] if isinstance(children, Mapping) else {}
    if not isinstance(section, Mapping):
        raise TypeError(f"the child {child} of a connection is not a section")
    local, remote = block
    asked: Settings = {**section, "local_ts": local, "remote_ts": remote, "start_action": "none"}
    return {**settings, "children": {child: asked}}


def whole(settings: Settings, child: str) -> Block:
    """All that a child of a connection is for."""
    children = settings["children"]
    section = children[child] if isinstance(children, Mapping) else {}
    return _block(section) if isinstance(section, Mapping) else ((), ())


def _carried(running: Iterable[IkeSa]) -> Mapping[str, list[Block]]:
    """What the CHILD_SAs of each child carry."""
    found: dict[str, list[Block]] = {}
    for child in carrying(sa for sa in running if sa.state == "ESTABLISHED"):
        found.setdefault(child.name, []).append((child.local_ts, child.remote_ts))
    return found


def _block(section: Settings) -> Block:
    local, remote = section["local_ts"], section["remote_ts"]
    return (local, remote) if isinstance(local, tuple) and isinstance(remote, tuple) else ((), ())


def _text(settings: Settings, key: str) -> str:
    return str(settings[key])
