"""Fabric and keys -> the desired state of every router. A key that cannot be read affects only its tunnel."""

from __future__ import annotations

import secrets as random_source
from collections.abc import Iterator, Mapping, Set

from reconciler.compile.router import compile_router
from reconciler.facets import files
from reconciler.facets.addresses import compile_claims
from reconciler.model.errors import KeysDiffer, SecretUnavailable, TunnelwrightError, WeakKey
from reconciler.model.fabric import Fabric, PskRef, Tunnel, group_of
from reconciler.model.operation import LoadSecret
from reconciler.model.plan import Plan, Resource
from reconciler.model.router_config import RouterConfig, RouterState, connection_name
from reconciler.model.secret import Secret
from reconciler.policy import Known
from reconciler.secrets import STRONG_KEY_HINT, SecretStore, missing, weakness


def compile_fabric(fabric: Fabric, store: SecretStore) -> dict[str, RouterConfig]:
    """The desired state of every router. A tunnel whose key cannot be read is `keyless` there, with the
    reason: it is compiled with a random key, and no plan touches either of its ends.

    Raises KeysDiffer before anything is touched, and SecretUnavailable when not one key can be had, or not
    that of the fingerprints.
    """
    wanted = {tunnel.psk for tunnel in fabric.tunnels.values() if tunnel.enabled}
    answers = store.ask(wanted)
    keys = {reference: answer for reference, answer in answers.items() if isinstance(answer, Secret)}
    if wanted and not keys:
        raise missing(answers)
    _check_equal(fabric, keys)
    fingerprint_key = fingerprint_key_of(fabric, store) if keys else Secret(b"")
    keyless = {ref: _why(ref, answer) for ref, answer in answers.items() if not isinstance(answer, Secret)}
    keys |= {reference: Secret(random_source.token_bytes(32)) for reference in keyless}
    claims = compile_claims(fabric)
    return {
        name: compile_router(fabric, name, keys, fingerprint_key, keyless=keyless, claims=claims)
        for name in sorted(fabric.routers)
    }


def _why(reference: PskRef, error: TunnelwrightError) -> str:
    hint = f" ({error.hint})" if error.hint else ""
    return f"its key cannot be read: {reference}: {error.message}{hint}"


def keys_of(fabric: Fabric, store: SecretStore) -> dict[PskRef, Secret]:
    """The key of every enabled tunnel, and the one that makes fingerprints where the fabric names it.

    Raises SecretUnavailable for any that cannot be read, and KeysDiffer.
    """
    wanted = {tunnel.psk for tunnel in fabric.tunnels.values() if tunnel.enabled}
    if wanted and fabric.fingerprint_key is not None:
        wanted.add(fabric.fingerprint_key)
    keys = store.keys(wanted)
    _check_equal(fabric, keys)
    return keys


def _check_equal(fabric: Fabric, keys: Mapping[PskRef, Secret]) -> None:
    """Both ends of a managed pair must hold one key, whatever each of them calls it."""
    different = [
        f"{tunnel.location} ({tunnel.psk}) and {other.location} ({other.psk})"
        for name, tunnel in sorted(fabric.tunnels.items())
        if (other := fabric.tunnels.get(tunnel.other_end or "")) is not None
        and name < other.name
        and tunnel.enabled
        and other.enabled
        and {tunnel.psk, other.psk} <= keys.keys()
        and keys[tunnel.psk] != keys[other.psk]
    ]
    if different:
        raise KeysDiffer(
            "the two ends of a tunnel have different keys: " + "; ".join(different),
            hint="let both ends refer to one key, or store the same key under both references",
        )


def fingerprint_key_of(fabric: Fabric, store: SecretStore) -> Secret:
    """The key with which the controller marks what is its own. Raises SecretUnavailable."""
    reference = fabric.fingerprint_key
    return store.fingerprint_key() if reference is None else store.keys([reference])[reference]


def check_every_key(fabric: Fabric, desired: Mapping[str, RouterConfig], tunnels: Set[str]) -> None:
    """Raises SecretUnavailable when the key of one of these tunnels, at either end, could not be had."""
    groups = {group_of(fabric.tunnels[name]) for name in tunnels}
    problems = [
        f"{tunnel.name}: {desired[tunnel.router].keyless[tunnel.name]}"
        for tunnel in _sorted(fabric)
        if group_of(tunnel) in groups and tunnel.name in desired[tunnel.router].keyless
    ]
    if problems:
        raise SecretUnavailable("; ".join(problems))


def _sorted(fabric: Fabric) -> Iterator[Tunnel]:
    return (tunnel for _, tunnel in sorted(fabric.tunnels.items()))


def check_keys(fabric: Fabric, plan: Plan) -> None:
    """Raises WeakKey for keys that a plan would load and that could be guessed. Judging one takes
    milliseconds, so those that are on the routers already are left alone."""
    loading = {
        fabric.tunnels[change.resource.name].psk: step.operation.secret.secret
        for change in plan.changes
        for step in change.steps
        if isinstance(step.operation, LoadSecret)
    }
    weak = sorted(f"{name}: {reason}" for name, key in loading.items() if (reason := weakness(key)))
    if weak:
        raise WeakKey("keys are weak: " + "; ".join(weak), hint=STRONG_KEY_HINT)


def shown_by_files(fabric: Fabric, store: SecretStore, states: Mapping[str, RouterState]) -> Known:
    """Whether the router's file of a tunnel end shows that Git had it: it has a fingerprint that only a
    controller with our key can compute.

    It raises SecretUnavailable when that key cannot be read, as `compile_fabric` does. Where Git has no
    enabled tunnel, all counts as shown instead: no key is needed to take the last ones away."""
    found: list[Secret | None] = []

    def known(resource: Resource) -> bool:
        if not found:
            try:
                found.append(fingerprint_key_of(fabric, store))
            except SecretUnavailable:
                if any(tunnel.enabled for tunnel in fabric.tunnels.values()):
                    raise
                # Nothing is planned but what destroys, so there is no tunnel that a router could keep from
                # its change by what it lists. All of it counts against the limits of the whole plan.
                found.append(None)
        file = states[resource.router].files.get(files.file_name(connection_name(resource.name)))
        return found[0] is None or files.bears_fingerprint(file, resource.name, found[0])

    return known
