"""strongSwan's names of algorithms -> swanctl's keywords, and proposals as list-conns has them."""

from __future__ import annotations

from reconciler.model.decoding import Fields

# strongSwan's transform names, as charon prints them, -> swanctl's proposal keywords.
_ENCRYPTION = {"3DES_CBC": "3des", "AES_CBC": "aes", "CHACHA20_POLY1305": "chacha20poly1305"}
INTEGRITY = {
    "HMAC_MD5_96": "md5",
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
}
PRF = {
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


def encryption(name: str, size: str) -> str:
    """A cipher with its key size in bits -> swanctl's keyword (`aes256`)."""
    if name.startswith("AES_GCM_"):
        return f"aes{size}gcm{name.rsplit('_', 1)[1]}"
    keyword = _ENCRYPTION.get(name, name.lower())
    return f"{keyword}{size}" if keyword == "aes" else keyword


def keyword(transform: str) -> str:
    """One transform as charon logs it (`AES_CBC_256`, `MODP_2048`) -> swanctl's keyword."""
    known = INTEGRITY.get(transform) or PRF.get(transform)
    if known is not None:
        return known
    if transform in _GROUPS or transform.startswith(("MODP_", "ECP_", "ML_KEM_")):
        return group(transform)
    name, _, size = transform.rpartition("_")
    sized = size.isdigit() and (name in _ENCRYPTION or name.startswith("AES_GCM_"))
    return encryption(name, size) if sized else encryption(transform, "")


def group(name: str) -> str:
    """A Diffie-Hellman group -> swanctl's keyword (`modp2048`)."""
    return _GROUPS.get(name, name.lower().replace("_", ""))


def proposals(listed: Fields) -> tuple[str, ...]:
    """The proposals of list-conns, in their order, in swanctl's words. Whatever a document cannot ask for
    (another kind of transform, extended sequence numbers) is in them as well, so that they differ.

    Raises AnswerNotUnderstood.
    """
    return tuple(_proposal(item) for _, item in listed.sections())


def _proposal(item: Fields) -> str:
    words = [keyword(name) for kind in ("encr", "integ") for name in item.texts(kind, ())]
    implied = {f"prf{word}" for word in words}
    # The PRF that goes with the integrity algorithm is not written.
    words += [word for name in item.texts("prf", ()) if (word := keyword(name)) not in implied]
    words += [keyword(name) for name in item.texts("ke", ())]
    words += [name.lower() for name in item.texts("sn", ()) if name != "NO_EXT_SEQ"]
    more = sorted(set(item.names()) - {"encr", "integ", "prf", "ke", "sn"})
    return "-".join([*words, *(f"{kind}_{keyword(name)}" for kind in more for name in item.texts(kind, ()))])
