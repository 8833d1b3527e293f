"""Bytes that are nearly right: what a good input becomes by a few edits, and what is sent by no program."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

TOKENS = (
    b"",
    b"\0",
    b"\x1b]0;t\x07",
    b"\xff\xfe",
    b"\xc3",
    b"\r",
    b"\n",
    b"\n\n::error::x\n",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"{",
    b"}" * 8,
    b"[" * 300,
    b'{"a":' * 300,
    b"- " * 300,
    b"&a *a ",
    b"!!python/object ",
    b"<<: ",
    b"? ",
    b"%TAG ! x\n",
    b"0x" + b"f" * 5000,
    b"9" * 5000,
    b"-1",
    b"1e999999",
    b".inf",
    b"nan",
    b"true",
    b"null",
    b"~",
    b"''",
    b'"',
    b"../" * 4,
    b"/dev/zero",
    b"include /etc/passwd\n",
    b"%n%s%x",
    b"$(id)",
    b"`id`",
    b"999.999.999.999",
    b"0.0.0.0/0",
    b"255.255.255.255",
    b"10.0.0.0/33",
    b"::1",
    b"A" * 70_000,
)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A seed after up to eight edits: bytes cut out, doubled, overwritten, or replaced by a token."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 64))
        end = min(len(content), start + length)
        piece = draw(
            st.one_of(
                st.sampled_from(TOKENS),
                st.binary(max_size=16),
                st.just(content[start:end] * 2),
                st.sampled_from(seeds).map(lambda seed: seed[:4096]),
            )
        )
        content = content[:start] + piece + content[end:]
    return content


def anything(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Mostly what is nearly right, sometimes noise."""
    return st.one_of(mutated(seeds), mutated(seeds), mutated(seeds), st.binary(max_size=400))
