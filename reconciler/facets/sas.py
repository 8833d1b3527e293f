"""Security associations: list-sas -> IkeSa, and whether a running SA matches the desired state."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.facets.connections import printed_id
from reconciler.model.decoding import Fields
from reconciler.model.router_config import ChildSa, Connection, IkeSa
from reconciler.model.settings import Change, Settings, Value, first


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

# strongSwan's transform names, as list-sas prints them, -> swanctl's proposal keywords.
_ENCRYPTION = {"3DES_CBC": "3des", "AES_CBC": "aes", "CHACHA20_POLY1305": "chacha20poly1305"}
_INTEGRITY = {
    "HMAC_MD5_96": "md5",
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
}
_PRF = {
    "PRF_HMAC_MD5": "prfmd5",
    "PRF_HMAC_SHA1": "prfsha1",
    "PRF_HMAC_SHA2_256": "prfsha256",
    "PRF_HMAC_SHA2_384": "prfsha384",
    "PRF_HMAC_SHA2_512": "prfsha512",
}
_GROUPS = {
    "MODP_1024": "modp1024",
    "MODP_1024_160": "modp1024s160",
    "MODP_2048_224": "modp2048s224",
    "MODP_2048_256": "modp2048s256",
    "CURVE_25519": "curve25519",
    "CURVE_448": "curve448",
}


def _encryption(name: str, size: str) -> str:
    if name.startswith("AES_GCM_"):
        return f"aes{size}gcm{name.rsplit('_', 1)[1]}"
    keyword = _ENCRYPTION.get(name, name.lower())
    return f"{keyword}{size}" if keyword == "aes" else keyword


def keyword(transform: str) -> str:
    """One transform as charon logs it (`AES_CBC_256`, `MODP_2048`) -> swanctl's keyword."""
    known = _INTEGRITY.get(transform) or _PRF.get(transform)
    if known is not None:
        return known
    if transform in _GROUPS or transform.startswith(("MODP_", "ECP_", "ML_KEM_")):
        return _group(transform)
    name, _, size = transform.rpartition("_")
    sized = size.isdigit() and (name in _ENCRYPTION or name.startswith("AES_GCM_"))
    return _encryption(name, size) if sized else _encryption(transform, "")


def _group(name: str) -> str:
    return _GROUPS.get(name, name.lower().replace("_", ""))


def _ike_algorithms(reply: Fields) -> str:
    integrity = _INTEGRITY.get(reply.text("integ-alg", ""))
    prf = reply.text("prf-alg", "")
    return _proposal(reply, integrity or _PRF.get(prf, prf))


def _esp_algorithms(reply: Fields) -> str:
    return _proposal(reply, _INTEGRITY.get(reply.text("integ-alg", ""), ""))


def _proposal(reply: Fields, integrity: str) -> str:
    encryption = _encryption(reply.text("encr-alg", ""), reply.text("encr-keysize", ""))
    parts = [encryption, integrity, _group(reply.text("dh-group", ""))]
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
        if child.state != "INSTALLED":
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
        # A peer may narrow (RFC 7296, section 2.9), so only what is carried beyond the desired is stale.
        if isinstance(desired, tuple) and not set(live) <= set(desired):
            found.append(Change(f"{path}.{side}", live, desired, "sa"))
    return found


def _text(settings: Settings, key: str) -> str:
    return str(settings[key])
