"""The bytes of a VICI message -> a mapping. Total: any input is a message within bounds, or refused.

The format is that of libcharon/plugins/vici/README.md. strongSwan's Python client decodes without a bound
on depth or number, passes over element types that do not exist, and raises what its parts raise.
"""

from __future__ import annotations

from typing import Any

from reconciler.model import bounds

SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


class Malformed(Exception):
    """Bytes that are no message; `str()` says what is wrong, and where."""


def decode(packet: bytes, start: int = 0) -> tuple[dict[str, Any], int]:
    """The message from `start` to the end of a packet, and how many elements it has.

    Values are str, lists of str, or further mappings. Names and values are any bytes: those that are not
    UTF-8 are kept as `\\xff`. Raises Malformed.
    """
    reader = _Reader(packet, start)
    message = reader.message()
    return message, reader.elements


class _Reader:
    def __init__(self, packet: bytes, start: int) -> None:
        self._packet = packet
        self._at = start
        self.elements = 0

    def message(self) -> dict[str, Any]:
        section: dict[str, Any] = {}
        outer: list[dict[str, Any]] = []
        while self._at < len(self._packet):
            kind = self._element()
            if kind == KEY_VALUE:
                name = self._text(1)
                section[name] = self._text(2)
            elif kind == LIST_START:
                name = self._text(1)
                section[name] = self._items()
            elif kind == SECTION_START:
                if len(outer) == bounds.VICI_DEPTH:
                    raise Malformed(f"more than {bounds.VICI_DEPTH} nested sections")
                outer.append(section)
                inner: dict[str, Any] = {}
                section[self._text(1)] = inner
                section = inner
            elif kind == SECTION_END and outer:
                section = outer.pop()
            else:
                raise self._misplaced(kind)
        if outer:
            raise Malformed("a section that does not close")
        return section

    def _items(self) -> list[str]:
        items: list[str] = []
        while self._at < len(self._packet):
            kind = self._element()
            if kind == LIST_END:
                return items
            if kind != LIST_ITEM:
                raise self._misplaced(kind)
            items.append(self._text(2))
        raise Malformed("a list that does not close")

    def _element(self) -> int:
        kind = self._packet[self._at]
        self._at += 1
        self.elements += 1
        if self.elements > bounds.VICI_ELEMENTS:
            raise Malformed(f"more than {bounds.VICI_ELEMENTS} elements")
        return kind

    def _misplaced(self, kind: int) -> Malformed:
        return Malformed(f"an element of type {kind} that has no place at byte {self._at - 1}")

    def _text(self, width: int) -> str:
        """A name (its length in one byte) or a value (in two)."""
        packet, begin = self._packet, self._at + width
        end = begin + int.from_bytes(packet[self._at : begin], "big")
        if begin > len(packet) or end > len(packet):
            raise Malformed(f"cut off at byte {len(packet)}")
        self._at = end
        return packet[begin:end].decode(errors="backslashreplace")
