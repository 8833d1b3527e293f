"""RouterConfig against RouterState -> what changes, with its steps, for one router. Pure.

What belongs to one tunnel end (connection, secret, file, running SAs) is one resource, because it
changes together and in a fixed order; a VIP, the firewall table and the sysctls are one each.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.facets import addresses, connections, files, firewall, sas, secrets, sysctls
from reconciler.model.plan import (
    Action,
    AddAddress,
    ChangeFirewall,
    Disruption,
    Establish,
    LoadConnection,
    LoadSecret,
    Operation,
    Phase,
    RemoveFile,
    Resource,
    ResourceChange,
    Scope,
    SetSysctls,
    Step,
    Terminate,
    UnloadConnection,
    UnloadSecret,
    WriteFile,
)
from reconciler.model.router_config import (
    PREFIX,
    Connection,
    IkeSa,
    LiveFile,
    Pair,
    RouterConfig,
    RouterState,
)
from reconciler.model.settings import UNOBSERVABLE, Change


class _Live:
    """A router's state with what is looked up for every tunnel, found once: a router has thousands."""

    def __init__(self, state: RouterState) -> None:
        self.state = state
        self.sas: dict[str, list[IkeSa]] = {}
        for sa in state.sas:
            self.sas.setdefault(sa.connection, []).append(sa)
        self.secret_ids: dict[str, list[str]] = {}
        for secret_id in sorted(state.secret_ids):
            if secrets.is_ours(secret_id):
                self.secret_ids.setdefault(secrets.owner_of(secret_id), []).append(secret_id)


def diff_router(desired: RouterConfig, state: RouterState) -> tuple[ResourceChange, ...]:
    """Every resource of one router that differs; nothing when the router is as desired."""
    live = _Live(state)
    return (
        *_host_changes(desired, state),
        *_firewall_changes(desired, state),
        *_tunnel_changes(desired, live),
        *_removed_tunnels(desired, live),
    )


def _host_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    wrong = sysctls.wrong(desired.sysctls, live.sysctls)
    if wrong:
        summary = f"set {len(wrong)} kernel setting{'s' if len(wrong) != 1 else ''}"
        operation = SetSysctls({key: value for key, _, value in wrong})
        changes = tuple(Change(key, before, value, "kernel") for key, before, value in wrong)
        yield ResourceChange(
            Resource(desired.router, "sysctl", "forwarding"),
            Action.UPDATE,
            "kernel settings would drop or redirect tunnel traffic",
            changes,
            (_step(desired, Phase.HOST, summary, operation),),
        )
    for address in addresses.missing(desired.addresses, live.addresses):
        yield ResourceChange(
            Resource(desired.router, "vip", address.cidr.partition("/")[0]),
            Action.CREATE,
            f"the address is not on {address.interface}",
            (Change("address", None, f"{address.cidr} dev {address.interface}", "kernel"),),
            (_step(desired, Phase.HOST, f"add {address.cidr} to {address.interface}", AddAddress(address)),),
        )


def _firewall_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """Elements are added before the tunnels that they guard and deleted after those are gone."""
    wanted, table = desired.firewall, live.firewall
    if table is None and not (wanted.guarded or wanted.peers):
        return
    delta = firewall.differences(wanted, table)
    added = {name: add for name, (add, _) in delta.items()}
    removed = {name: gone for name, (_, gone) in delta.items()}
    replaced = {name: firewall.in_the_way(added[name], removed[name]) for name in removed}
    retired = {name: removed[name] - replaced[name] for name in removed}
    changes = [
        Change(f"{name}[{first} {second}]", None, "present", "kernel")
        for name, pairs in added.items()
        for first, second in sorted(pairs)
    ]
    changes += [
        Change(f"{name}[{first} {second}]", "present", None, "kernel")
        for name, pairs in removed.items()
        for first, second in sorted(pairs)
    ]
    steps = []
    if not firewall.same_rules(wanted, table):
        changes.insert(0, Change("rules", None if table is None else "changed", "tunnelwright's", "kernel"))
        document = firewall.rebuild(wanted, retired)
        summary = "load the nftables table inet tunnelwright in one transaction"
        steps.append(_step(desired, Phase.GUARD, summary, ChangeFirewall(document)))
    elif any(added.values()):
        summary = f"add {_elements(added)} to the nftables sets"
        document = firewall.element_changes(add=added, delete=replaced)
        steps.append(_step(desired, Phase.GUARD, summary, ChangeFirewall(document)))
    if any(retired.values()):
        summary = f"delete {_elements(retired)} from the nftables sets"
        document = firewall.element_changes(delete=retired)
        steps.append(_step(desired, Phase.UNGUARD, summary, ChangeFirewall(document)))
    if steps:
        yield ResourceChange(
            Resource(desired.router, "firewall", "inet tunnelwright"),
            Action.CREATE if table is None else Action.UPDATE,
            "the table is missing" if table is None else "the table is not as desired",
            tuple(changes),
            tuple(steps),
        )


def _elements(pairs: dict[str, frozenset[Pair]]) -> str:
    count = sum(len(elements) for elements in pairs.values())
    return f"{count} element{'s' if count != 1 else ''}"


def _tunnel_changes(desired: RouterConfig, live: _Live) -> Iterator[ResourceChange]:
    for name, connection in sorted(desired.connections.items()):
        change = _tunnel_change(desired, live, name, connection)
        if change is not None:
            yield change


def _tunnel_change(
    desired: RouterConfig, live: _Live, name: str, connection: Connection
) -> ResourceChange | None:
    path = files.file_name(name)
    wanted_file, live_file = desired.files[path], live.state.files.get(path)
    loaded = live.state.connections.get(name)
    running = [sa for sa in live.sas.get(name, ()) if sa.state == "ESTABLISHED"]
    file_same = live_file is not None and live_file.content == wanted_file
    # The desired file says what the desired settings say; only another one has to be read.
    in_file = connection.settings if file_same else files.connection_in(live_file, name)

    config = connections.compare(connection.settings, loaded, in_file)
    stale = tuple(change for sa in running for change in sas.stale_fields(connection, sa))
    there = live.secret_ids.get(secrets.owner_of(connection.secret.id), [])
    old_keys = [secret_id for secret_id in there if secret_id != connection.secret.id]

    key = _key_changes(connection, there, None if file_same else live_file, trusted=file_same)
    load_key = any(change.after is not None for change in key)
    changes: list[Change] = [*config, *stale, *key]
    if not file_same and not changes:
        changes.append(Change("file", None if live_file is None else "edited", "rendered", "file"))
    elif live_file is not None and live_file.mode != files.MODE:
        changes.append(Change("file.mode", f"{live_file.mode:04o}", f"{files.MODE:04o}", "file"))
    if not changes:
        return None

    group = desired.groups[connection.tunnel]
    interrupting = any(connections.interrupts(change) for change in config) and bool(running)
    switch = Disruption.NONE
    if running:
        switch = Disruption.INTERRUPTS if interrupting else Disruption.MAKE_BEFORE_BREAK
    steps: list[Step] = []

    def add(
        phase: Phase, summary: str, operation: Operation, disruption: Disruption = Disruption.NONE
    ) -> None:
        steps.append(Step(desired.router, phase, group, summary, disruption, operation))

    # An SA of another configuration may mean that charon holds that one too, whatever the file says.
    load = bool(config or stale)
    if live_file is not None and (load or load_key) and (pending := files.marked(live_file)) is not None:
        add(Phase.MARK, f"mark {files.FOLDER}/{path} as changing", WriteFile(path, pending))
    if load_key:
        add(Phase.SECRETS, f"load key {connection.secret.id}", LoadSecret(connection.secret))
    if load:
        add(Phase.CONNECTIONS, f"load connection {name}", LoadConnection(name, connection.settings))
    # A connection that was only unloaded runs on with SAs of the configuration that the file holds.
    only_unloaded = loaded is None and file_same and bool(running)
    if stale or (config and not only_unloaded):
        scope = _scope(config, stale) if running else Scope.FIRST
        operation = Establish(name, connection.children, scope)
        steps.append(switch_step(desired.router, group, operation, switch))
    if load or load_key or not file_same or (live_file is not None and live_file.mode != files.MODE):
        add(Phase.COMMIT, f"write {files.FOLDER}/{path}", WriteFile(path, wanted_file))
    for secret_id in old_keys:
        add(Phase.RETIRE, f"unload key {secret_id}", UnloadSecret(secret_id))
    return ResourceChange(
        Resource(desired.router, "tunnel", connection.tunnel),
        Action.CREATE if loaded is None and live_file is None else Action.UPDATE,
        _reason(loaded is None, bool(config), bool(stale), load_key, live_file is None),
        tuple(changes),
        tuple(steps),
    )


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
        Scope.FIRST: f"bring up {operation.connection}",
        Scope.CHILD: f"bring up second CHILD_SAs of {operation.connection}, then retire the first",
        Scope.IKE: f"bring up a second IKE_SA of {operation.connection}, then retire the first",
    }[operation.scope]
    return Step(router, Phase.SWITCH, group, summary, disruption, operation)


def _reason(unloaded: bool, config: bool, stale: bool, key: bool, no_file: bool) -> str:
    if unloaded:
        return "not on the router" if no_file else "the connection is not loaded in charon"
    if config:
        return "the configuration differs"
    if stale:
        return "a running SA was set up by another configuration"
    if key:
        return "the key differs"
    return "the router's file differs"


def _removed_tunnels(desired: RouterConfig, live: _Live) -> Iterator[ResourceChange]:
    """What carries our prefix and is desired no more."""
    names = {name for name in live.state.connections if name.startswith(PREFIX)}
    names |= {sa.connection for sa in live.state.sas if not sa.ending}
    names |= {name.removesuffix(".conf") for name in live.state.files if files.is_ours(name)}
    orphans = dict(live.secret_ids)
    for connection in desired.connections.values():
        orphans.pop(secrets.owner_of(connection.secret.id), None)
    for name in sorted(names - set(desired.connections)):
        tunnel = name.removeprefix(PREFIX)
        secret_ids = orphans.pop(secrets.owner_tag(tunnel), [])
        yield _removal(desired, live, name, desired.groups.get(tunnel, tunnel), secret_ids)
    for secret_id in sorted(secret_id for ids in orphans.values() for secret_id in ids):
        yield ResourceChange(
            Resource(desired.router, "key", secret_id),
            Action.DELETE,
            "no tunnel uses it",
            (Change("psk", secrets.digest_of(secret_id), None, "vici"),),
            (_step(desired, Phase.RETIRE, f"unload key {secret_id}", UnloadSecret(secret_id)),),
        )


def _removal(
    desired: RouterConfig, live: _Live, name: str, group: str, secret_ids: list[str]
) -> ResourceChange:
    steps = []
    if files.file_name(name) in live.state.files:
        # First, so that a charon that restarts in between does not bring the tunnel back.
        steps.append(
            Step(
                desired.router,
                Phase.RETIRE,
                group,
                f"remove {files.FOLDER}/{files.file_name(name)}",
                Disruption.NONE,
                RemoveFile(files.file_name(name)),
            )
        )
    if name in live.state.connections:
        operation = UnloadConnection(name)
        steps.append(
            Step(desired.router, Phase.RETIRE, group, f"unload connection {name}", Disruption.NONE, operation)
        )
    if any(not sa.ending for sa in live.sas.get(name, ())):
        summary = f"terminate the SAs of {name}"
        steps.append(Step(desired.router, Phase.RETIRE, group, summary, Disruption.DESTROYS, Terminate(name)))
    steps += [
        Step(desired.router, Phase.RETIRE, group, f"unload key {i}", Disruption.NONE, UnloadSecret(i))
        for i in secret_ids
    ]
    tunnel = name.removeprefix(PREFIX)
    disabled = tunnel in desired.groups
    return ResourceChange(
        Resource(desired.router, "tunnel", tunnel),
        Action.DELETE,
        "disabled in Git" if disabled else "not in Git",
        (Change("connection", name, None, "vici"),),
        tuple(steps),
    )


def _step(desired: RouterConfig, phase: Phase, summary: str, operation: Operation) -> Step:
    """A step of the router as a whole."""
    return Step(desired.router, phase, "", summary, Disruption.NONE, operation)
