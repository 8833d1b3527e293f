"""The facet `boot`: the files from which a router has its guards, VIPs and kernel settings again after a
boot. One resource of a router."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.diff.router_step import router_step
from reconciler.facets import boot, firewall
from reconciler.model.listing import counted
from reconciler.model.operation import RemoveOwned, WriteOwned
from reconciler.model.plan import Action, Phase, Resource, ResourceChange
from reconciler.model.router_config import InterfaceAddress, OwnedFile, RouterConfig, RouterState
from reconciler.model.swanctl import Change


def boot_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """The file of the guards follows the table: it has new elements before a tunnel needs them, and keeps old
    ones until their tunnels have gone. So a boot at any moment of an apply guards both."""
    vips = _added(desired, live)
    final = boot.boot_files(desired, live.platform, vips)
    kept = {name: removed for name, (_, removed) in _table(desired, live).items()}
    during = boot.boot_files(desired, live.platform, vips, kept) if any(kept.values()) else final
    wrong = boot.differing(final, live.owned)
    surplus = [path for path in live.owned if path not in final]
    # A file that is right already needs no elements of tunnels on its way: what the table has more is drift.
    early = {path: words for path, words in boot.differing(during, live.owned).items() if path in wrong}
    late = {path for path in wrong if during[path] != final[path]}
    steps = []
    if early:
        summary = f"write {counted(len(early), 'boot file')}"
        steps.append(router_step(desired, Phase.GUARD, summary, WriteOwned(_of(during, early))))
    if late:
        summary = f"write {counted(len(late), 'boot file')} without the guards that are deleted"
        steps.append(router_step(desired, Phase.UNGUARD, summary, WriteOwned(_of(final, late))))
    if surplus:
        # What starts something goes before what it starts.
        paths = tuple(sorted(surplus, key=lambda path: (path.startswith(boot.FOLDER), path)))
        summary = f"remove {counted(len(paths), 'boot file')}"
        steps.append(router_step(desired, Phase.UNGUARD, summary, RemoveOwned(paths)))
    if not steps:
        return
    changes = [Change(path, before, after, "file") for path, (before, after) in wrong.items()]
    changes += [Change(path, "present", None, "file") for path in sorted(surplus)]
    action, reason = Action.UPDATE, "the files that the router loads at its boot are not as desired"
    if not live.owned:
        action, reason = Action.CREATE, "after a boot the router would have no guards"
    elif not final:
        action, reason = Action.DELETE, "the router has no tunnels and no VIPs any more"
    yield ResourceChange(Resource.boot(desired.router), action, reason, tuple(changes), tuple(steps))


def _added(desired: RouterConfig, live: RouterState) -> list[InterfaceAddress]:
    """The VIPs that tunnelwright has added, or is about to."""
    recorded = {item.place for item in live.record.owners}
    foreign = {item.place for item in live.addresses} - recorded
    return [address for address in desired.addresses if address.place not in foreign]


def _table(
    desired: RouterConfig, live: RouterState
) -> Mapping[str, tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]]:
    """What is added to and removed from each set of the table, save what gives way to what is added."""
    return {
        name: (added, removed - firewall.in_the_way(added, removed))
        for name, (added, removed) in firewall.differences(desired.firewall, live.firewall).items()
    }


def _of(files: Mapping[str, OwnedFile], paths: Collection[str]) -> dict[str, OwnedFile]:
    """Some of the files, in the order in which they are written."""
    return {path: file for path, file in files.items() if path in paths}
