"""The parts of an author's text that a message may repeat: text in forms that generated keys do not have.

A key may be pasted anywhere: one indent too far to the left, and it is the name of a field or the value of
another one. So nothing is repeated because of where it stands, only because of its form: numbers, addresses,
schedules, and words that people make up from letters, with a number at the end of one.
"""

from __future__ import annotations

import re
from typing import Final

NOT_SHOWN: Final = "the value (not shown, because it may be a key)"
_LONGEST: Final = 40
_SHORT: Final = 6
"""Characters of a text that is too short for a key: such a one is refused as weak."""
_MOST_DIGITS: Final = 8
"""All in all; a date has eight, and no number of a document has more."""
_WORD = re.compile(r"([A-Z]{0,4}[a-z]{0,20}([A-Z][a-z]{2,20}){0,4}|[A-Z]{1,20})[0-9]{0,4}")
"""`aes`, `IPsecTunnel`, `dh-group14` in two of them. Base64 changes its case at every other letter, and has
digits before letters, as hexadecimal numbers do."""
_BETWEEN = re.compile(r"[-_./:@]{1,2}")
_PARTS = re.compile(r"[-_./]+")
_LEADS_ON = re.compile(r"[~^@{}:]+")
_SAID = re.compile(r"[^\s'\"(),:]+")
_ADDRESS = r"[0-9]{1,3}(\.[0-9]{1,3}){1,4}(/[0-9]{1,3})?"
_ADDRESSES = re.compile(rf"{_ADDRESS}( ?[-,] ?{_ADDRESS})?")
_TIME = re.compile(
    r"([0-9*/,-]{1,8}|[A-Za-z]{3}(-[A-Za-z]{3})?)( ([0-9*/,-]{1,8}|[A-Za-z]{3}(-[A-Za-z]{3})?)){0,5}"
)
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?"
_DATE = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK})?")
_AMOUNT = re.compile(r"[0-9]{1,6} [A-Za-z]{1,12}")
_DAY = r"([A-Za-z]{3}|(?i:sun|mon|tues|wednes|thurs|fri|satur)day)"
_ITEM = rf"(\*|[0-9]{{1,2}}(-[0-9]{{1,2}})?|{_DAY}(-{_DAY})?)(/[0-9]{{1,2}})?"
_SCHEDULE = re.compile(rf"{_ITEM}(,{_ITEM}){{0,30}}( {_ITEM}(,{_ITEM}){{0,30}}){{3,6}}")
"""Of crontab(5), with a field too many or too few. Where a field is `*`, it may be longer than other texts:
nothing that makes keys writes lists of small numbers beside a star."""
_LONGEST_SCHEDULE: Final = 200


def is_plain(text: str) -> bool:
    """True for a text that may be repeated."""
    if "*" in text.split(" ") and len(text) <= _LONGEST_SCHEDULE and _SCHEDULE.fullmatch(text):
        return True
    if len(text) > _LONGEST:
        return False
    if len(text) <= _SHORT or any(form.fullmatch(text) for form in (_ADDRESSES, _DATE, _AMOUNT)):
        return True
    if sum(character.isdigit() for character in text) > _MOST_DIGITS:
        return False
    return all(map(_WORD.fullmatch, _BETWEEN.split(text))) or _TIME.fullmatch(text) is not None


def is_plain_name(text: str) -> bool:
    """True for the name of a file, a variable or a path that may be repeated, however long it is: each part
    of it may be."""
    return all(map(is_plain, _PARTS.split(text)))


def is_plain_revision(text: str) -> bool:
    """True for the name of a Git revision that may be repeated, with what leads on from it: `HEAD~12`,
    `main@{upstream}` (gitrevisions(7))."""
    return all(map(is_plain_name, _LEADS_ON.split(text)))


def plain_words(text: str) -> str:
    """A sentence of a library that repeats what was given: words that may not be repeated become `…`."""
    return _SAID.sub(lambda word: word[0] if is_plain_name(word[0]) else "…", text)


def quoted(value: object) -> str:
    """A value as a message shows it: a plain one in quotes, of another one what it is."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list" if value else "an empty list"
        case int() | float():
            return repr(value) if len(repr(value)) <= _MOST_DIGITS else NOT_SHOWN
        case _:
            return repr(value) if is_plain(str(value)) else NOT_SHOWN
