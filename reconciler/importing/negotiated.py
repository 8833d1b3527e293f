"""A setting that leaves a choice -> what was negotiated. Pure."""

from __future__ import annotations

from reconciler.importing.notation import Algorithms, NotImportable, proposal, split_list
from reconciler.importing.reader import Reader


def agreed(reader: Reader, word: str, negotiated: str, *, prf: bool) -> Algorithms | None:
    """The only proposal, or the negotiated one where there is a choice. An AEAD cipher of IKE needs a `prf`:
    where none is written charon offers several. None where neither is known, which is reported."""
    written = split_list(reader.text(word, "default"))
    why = "leaves a choice"
    try:
        if len(written) == 1 and written[0] != "default":
            found = proposal(written[0])
            if found.integrity or not prf:
                return found
    except NotImportable as error:
        why = f"cannot be taken over ({error})"
    if not negotiated:
        reader.refuse(word, f"{word} {why}, and no SA is up that shows what was negotiated")
        return None
    try:
        found = proposal(negotiated)
    except NotImportable as error:
        reader.refuse(word, f"the negotiated value cannot be taken over: {error}")
        return None
    reader.drop(word, f"{word} {why}; the negotiated value is taken: {negotiated}")
    return found
