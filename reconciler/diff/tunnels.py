"""One tunnel end at a time: its connection, key, file and running SAs, which change together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.diff.live import Live
from reconciler.diff.removals import retirement
from reconciler.facets import agreement, connections, files, sas, secrets
from reconciler.model.plan import (
    Action,
    Disruption,
    Establish,
    LoadConnection,
    LoadSecret,
    Operation,
    Phase,
    Resource,
    ResourceChange,
    Scope,
    SetAside,
    Step,
    UnloadConnection,
    UnloadSecret,
    WriteFile,
)
from reconciler.model.router_config import (
    PREFIX,
    Connection,
    ForeignFile,
    IkeSa,
    LiveFile,
    RouterConfig,
    SharedSecret,
)
from reconciler.model.settings import UNOBSERVABLE, Change, Settings


def tunnel_changes(desired: RouterConfig, live: Live, reconnect: frozenset[str]) -> Iterator[ResourceChange]:
    """Every desired tunnel that differs."""
    for name, connection in sorted(desired.connections.items()):
        seen = _look(desired, live, connection, asked=connection.tunnel in reconnect)
        if seen.changes:
            yield ResourceChange(
                Resource(desired.router, "tunnel", connection.tunnel),
                Action.CREATE if seen.new else Action.UPDATE,
                _reason(seen),
                seen.changes,
                tuple(_steps(desired, live, name, seen)),
            )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One tunnel end as it is found, and how that differs from what is desired."""

    connection: Connection
    loaded: bool
    live_file: LiveFile | None
    file_same: bool
    running: tuple[IkeSa, ...]
    former: tuple[str, ...]
    """Former connections that have left anything on the router."""
    former_running: tuple[IkeSa, ...]
    aside: tuple[ForeignFile, ...]
    """Files of adopted connections that can go."""
    config: tuple[Change, ...]
    """How the loaded connection differs; without one, how the former does."""
    stale: tuple[Change, ...]
    surplus: tuple[Change, ...]
    """CHILD_SAs beside others of their kind, which nobody needs."""
    key: tuple[Change, ...]
    other: tuple[Change, ...]
    reconnect: bool

    @property
    def changes(self) -> tuple[Change, ...]:
        """All fields that differ."""
        return (*self.other, *self.config, *self.stale, *self.surplus, *self.key)

    @property
    def new(self) -> bool:
        """True when nothing of the tunnel is on the router."""
        return not (self.loaded or self.live_file or self.former or self.aside)

    @property
    def load(self) -> bool:
        """Whether the connection has to be loaded. An SA of another configuration may mean that charon
        holds that one too, whatever the file says."""
        return bool(not self.loaded or self.config or self.stale)

    @property
    def load_key(self) -> bool:
        """Whether the key has to be loaded."""
        return any(change.after is not None for change in self.key)


def _look(desired: RouterConfig, live: Live, connection: Connection, *, asked: bool) -> _Seen:
    name = connection.name
    path = files.file_name(name)
    live_file = live.state.files.get(path)
    loaded = live.state.connections.get(name)
    running = _established(live, name)
    former = tuple(old for old in connection.former if live.holds(old))
    former_running = tuple(sa for old in former for sa in _established(live, old))
    aside = tuple(
        file
        for old in connection.former
        if (file := live.state.foreign_files.get(old)) is not None and _can_go(desired, live, old, file)
    )
    file_same = files.says(live_file, desired.files[path])
    # The desired file says what the desired settings say; only another one has to be read.
    in_file = connection.settings if file_same else files.connection_in(live_file, name)
    if loaded is None and former:
        old_file = live.state.files.get(files.file_name(former[0]))
        before = live.state.connections.get(former[0])
        config = connections.compare(connection.settings, before, files.connection_in(old_file, former[0]))
    else:
        config = connections.compare(connection.settings, loaded, in_file)
    stale = tuple(change for sa in running for change in sas.stale_fields(connection, sa))
    surplus = tuple(
        Change(f"sa.children.{kind[0].name}.number", str(len(kind)), "1", "sa")
        for kind in agreement.surplus(running)
    )
    there = live.secret_ids.get(secrets.owner_of(connection.secret.id), [])
    key = _key_changes(connection, there, None if file_same else live_file, trusted=file_same)

    other = [Change("name", old, name, "vici") for old in former]
    done = files.reconnect_in(live_file)
    wanted = connection.reconnect
    reconnect = asked or (bool(wanted) and done is not None and done != wanted)
    if reconnect:
        other.append(Change("reconnect", done or None, "now" if asked else wanted, "file"))
    other += [Change("adopted.file", file.path, f"{file.path}{files.ADOPTED}", "file") for file in aside]
    if live_file is not None and files.protected_in(live_file) != connection.protected:
        on_off = ("off", "on") if connection.protected else ("on", "off")
        other.append(Change("deletionProtection", *on_off, "file"))
    if not file_same and not (config or stale or surplus or key or other):
        other.append(Change("file", None if live_file is None else "edited", "rendered", "file"))
    elif live_file is not None and live_file.mode != files.MODE:
        other.append(Change("file.mode", f"{live_file.mode:04o}", f"{files.MODE:04o}", "file"))
    return _Seen(
        connection,
        loaded is not None,
        live_file,
        file_same,
        running,
        former,
        former_running,
        aside,
        config,
        stale,
        surplus,
        key,
        tuple(other),
        reconnect,
    )


def _can_go(desired: RouterConfig, live: Live, old: str, file: ForeignFile) -> bool:
    """A file of several connections goes with the last that is taken over: were it renamed with an earlier
    one, and another's step failed, a restart of charon would leave that one without any."""

    def taken_over(name: str) -> bool:
        return not live.holds(name) and any(
            name in other.former and files.file_name(other.name) in live.state.files
            for other in desired.connections.values()
        )

    if not all(map(taken_over, file.others)):
        return False
    return not taken_over(old) or old < min(file.others, default=f"{old}.")


def _established(live: Live, name: str) -> tuple[IkeSa, ...]:
    return tuple(sa for sa in live.sas.get(name, ()) if sa.state == "ESTABLISHED")


def _steps(desired: RouterConfig, live: Live, name: str, seen: _Seen) -> Iterator[Step]:
    """What mends one tunnel end, in the order of the phases."""
    connection = seen.connection
    group, path = desired.groups[connection.tunnel], files.file_name(name)

    def step(phase: Phase, summary: str, operation: Operation) -> Step:
        return Step(desired.router, phase, group, summary, Disruption.NONE, operation)

    mark = files.marked(seen.live_file) if seen.live_file is not None else None
    if mark is not None and (seen.load or seen.load_key):
        yield step(Phase.MARK, f"mark {files.FOLDER}/{path} as changing", WriteFile(path, mark))
    former, former_key = _before_the_key(live, seen)
    if seen.load_key:
        load_key = LoadSecret(connection.secret, former_key)
        yield step(Phase.SECRETS, f"load key {connection.secret.id}", load_key)
    if seen.load:
        load = LoadConnection(name, connection.settings, former)
        yield step(Phase.CONNECTIONS, f"load connection {name}", load)
    switch = _switch(desired.router, group, seen)
    if switch is not None:
        yield switch
    wrong_mode = seen.live_file is not None and seen.live_file.mode != files.MODE
    if seen.load or seen.load_key or not seen.file_same or wrong_mode:
        content = WriteFile(path, desired.files[path])
        yield step(Phase.COMMIT, f"write {files.FOLDER}/{path}", content)
    for secret_id in live.secret_ids.get(secrets.owner_of(connection.secret.id), []):
        if secret_id != connection.secret.id:
            yield step(Phase.RETIRE, f"unload key {secret_id}", UnloadSecret(secret_id))
    for old in seen.former:
        # What somebody else configured may set itself up again when the switch ends it (close_action).
        ending = None if switch is not None and old.startswith(PREFIX) else Disruption.NONE
        for found in retirement(desired.router, group, live, old, ending):
            # Of two connections for one peer the answering end takes the older, so that goes beforehand; its
            # SAs carry on until the new ones are there.
            early = isinstance(found.operation, UnloadConnection)
            yield replace(found, phase=Phase.CONNECTIONS) if early else found
    for file in seen.aside:
        for secret_id in sorted(live.state.secret_ids.intersection(file.secret_ids)):
            yield step(Phase.RETIRE, f"unload key {secret_id}", UnloadSecret(secret_id))
        # Last: it tells which keys those are.
        yield step(Phase.RETIRE, f"rename {file.path} to {file.path}{files.ADOPTED}", SetAside(file.path))


def _before_the_key(live: Live, seen: _Seen) -> tuple[Settings | None, SharedSecret | None]:
    """The connection and the key that a running tunnel had before it gets another key, as its file has them:
    they are loaded again when the peer does not know the new key yet. Nothing else may change with the key:
    two ends that each go back to their former algorithms would never meet at the new ones."""
    name, wanted = seen.connection.name, seen.connection.secret.id
    others = [other for other in live.secret_ids.get(secrets.owner_of(wanted), []) if other != wanted]
    if not (seen.load_key and others and seen.running) or seen.stale or seen.live_file is None:
        return None, None
    before = files.written_before(seen.live_file, name, others)
    if before is None:
        return None, None
    changes = connections.compare(seen.connection.settings, live.state.connections.get(name), before[0])
    return before if {change.path for change in changes} <= connections.FOLLOWS_THE_KEY else (None, None)


def _switch(router: str, group: str, seen: _Seen) -> Step | None:
    """The step that moves traffic onto the desired configuration; None where it runs on that already."""
    carried = bool(seen.running or seen.former_running)
    # A connection that was only unloaded runs on with SAs of the configuration that the file holds.
    only_unloaded = not seen.loaded and seen.file_same and bool(seen.running)
    loads = (not seen.loaded or bool(seen.config)) and not only_unloaded
    name, children = seen.connection.name, seen.connection.children
    if seen.stale or loads or (seen.former_running and not seen.running):
        scope = Scope.FIRST
        if seen.former_running and not seen.running:
            scope = Scope.IKE
        elif seen.running:
            scope = _scope(seen.config, seen.stale)
        moves = any(connections.interrupts(change) for change in seen.config)
        disruption = Disruption.INTERRUPTS if moves else Disruption.MAKE_BEFORE_BREAK
        operation = Establish(name, children, scope, seen.former)
        return switch_step(router, group, operation, disruption if carried else Disruption.NONE)
    if seen.reconnect:
        operation = Establish(name, children, Scope.RECONNECT)
        return switch_step(router, group, operation, Disruption.INTERRUPTS if carried else Disruption.NONE)
    if seen.surplus:
        return switch_step(router, group, Establish(name, children, Scope.SURPLUS), Disruption.NONE)
    return None


def _key_changes(
    connection: Connection, there: list[str], live_file: LiveFile | None, *, trusted: bool
) -> tuple[Change, ...]:
    """How a tunnel's key differs. Its id in charon carries the key's fingerprint; its owners, and whether
    the key under that id is the right one, are known from the router's file alone."""
    wanted = connection.secret
    digest = secrets.digest_of(wanted.id)
    old = [secrets.digest_of(secret_id) for secret_id in there if secret_id != wanted.id]
    if wanted.id not in there:
        return (Change("psk", old[0] if old else None, digest, "vici"),)
    changes = [Change("psk.retired", retired, None, "vici") for retired in old]
    if trusted:
        return tuple(changes)
    written = files.secret_in(live_file, wanted)
    if written is None or not written.right:
        changes.append(Change("psk", UNOBSERVABLE, digest, "file"))
    elif written.owners != wanted.owners:
        changes.append(Change("psk.owners", written.owners, wanted.owners, "file"))
    return tuple(changes)


def _scope(config: tuple[Change, ...], stale: tuple[Change, ...]) -> Scope:
    """Whether the change reaches the IKE_SA or only its CHILD_SAs."""
    ike = any(connections.affects_ike_sa(change) for change in config)
    return Scope.IKE if ike or any(not c.path.startswith("sa.children.") for c in stale) else Scope.CHILD


def switch_step(router: str, group: str, operation: Establish, disruption: Disruption) -> Step:
    """The step that moves a tunnel onto its new configuration."""
    summary = {
        Scope.SURPLUS: f"close the surplus CHILD_SAs of {operation.connection}",
        Scope.FIRST: f"bring up {operation.connection}",
        Scope.CHILD: f"bring up second CHILD_SAs of {operation.connection}, then retire the first",
        Scope.IKE: f"bring up a second IKE_SA of {operation.connection}, then retire the first",
        Scope.RECONNECT: f"terminate the SAs of {operation.connection}, then bring it up again",
    }[operation.scope]
    return Step(router, Phase.SWITCH, group, summary, disruption, operation)


def _origin(former: tuple[str, ...]) -> str:
    renamed = [old.removeprefix(PREFIX) for old in former if old.startswith(PREFIX)]
    adopted = [old for old in former if not old.startswith(PREFIX)]
    parts = (("renamed from", renamed), ("takes over the connection", adopted))
    return "; ".join(f"{words} {', '.join(names)}" for words, names in parts if names)


def _reason(seen: _Seen) -> str:
    reasons = (
        (bool(seen.former), _origin(seen.former)),
        (seen.new, "not on the router"),
        (not seen.loaded, "the connection is not loaded in charon"),
        (bool(seen.config), "the configuration differs"),
        (bool(seen.stale), "a running SA has another configuration"),
        (bool(seen.surplus), "there are surplus CHILD_SAs"),
        (seen.load_key, "the key differs"),
        (seen.reconnect, "a reconnect is requested"),
        (bool(seen.aside), f"the file of {', '.join(seen.connection.former)} would load it again"),
        (bool(seen.other), "the router's file differs"),
        (True, "a key that it no longer uses is loaded"),
    )
    return next(reason for holds, reason in reasons if holds)
