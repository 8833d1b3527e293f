from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.facets.files.swanctl_conf import Section, SwanctlSyntaxError, inherit, read
from reconciler.model.diagnostic import Location


def parsed(text: str, others: Mapping[str, str] | None = None) -> Section:
    def include(pattern: str) -> Iterable[tuple[str, bytes]]:
        # As in a shell, and unlike fnmatch, a star does not match a slash.
        depth = pattern.count("/")
        found = sorted(n for n in fnmatch.filter(others or {}, pattern) if n.count("/") == depth)
        return [(name, (others or {})[name].encode()) for name in found]

    return read("/etc/swanctl/swanctl.conf", text.encode(), include)


def plain(section: Section) -> dict[str, object]:
    settings = {key: entry.text for key, entry in section.entries.items()}
    return {**settings, **{name: plain(child) for name, child in section.sections.items()}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a = b", "b"),
        ("a=b # why", "b"),
        ("a = b   c\t d", "b c d"),
        ('a = "b # c" } d', None),
        ('a = "b } # c"', "b } # c"),
        ('a = x "y  z" w', "x y  z w"),
        (r'a = "q\" b\\ n\n t\t r\r o\o"', 'q" b\\ n\n t\t r\r oo'),
        ('a = "joined \\\nlines"', "joined lines"),
        ('a = "two\nlines"', "two\nlines"),
        ('a = ""', ""),
        ("a =", None),
        ("a\n=\nb = c", None),
        ("a = {b:c,d.e}", None),
        ("a = 0sQUJD==", "0sQUJD=="),
        ("a = b\r\nc = d\r\n", "b"),
    ],
)
def test_values_end_where_strongswan_ends_them(text: str, value: str | None) -> None:
    try:
        found = parsed(text).entries["a"].text
    except SwanctlSyntaxError:
        found = None
    assert found == value


def test_sections_of_one_name_are_one_and_the_last_setting_wins() -> None:
    root = parsed("s { a = 1\n b = 1 }\ns { b = 2\n t { } }")
    assert plain(root) == {"s": {"a": "1", "b": "2", "t": {}}}


def test_every_setting_and_section_has_its_place() -> None:
    root = parsed("\n  s {\n\ta = 1 # x\n    t {}\n}")
    file = "/etc/swanctl/swanctl.conf"
    assert root.sections["s"].location == Location(file, 2, 3)
    assert root.sections["s"].entries["a"].location == Location(file, 3, 2)
    assert root.sections["s"].sections["t"].location == Location(file, 4, 5)


def test_files_are_included_where_the_statement_stands() -> None:
    root = parsed(
        'include conf.d/*.conf\ns {\n include "/other/in side.conf"\n}\nincluded = no\n',
        {
            "/etc/swanctl/conf.d/b.conf": "x = 2",
            "/etc/swanctl/conf.d/a.conf": "x = 1\ns { include deep/c.conf\n }",
            "/etc/swanctl/conf.d/deep/c.conf": "c = 3",
            "/other/in side.conf": "d = 4",
        },
    )
    assert plain(root) == {"x": "2", "included": "no", "s": {"c": "3", "d": "4"}}
    assert root.sections["s"].entries["c"].location == Location("/etc/swanctl/conf.d/deep/c.conf", 1, 1)


def test_files_that_include_one_another_come_to_an_end() -> None:
    with pytest.raises(SwanctlSyntaxError, match="includes are nested") as raised:
        parsed("include swanctl.conf", {"/etc/swanctl/swanctl.conf": "include swanctl.conf"})
    assert raised.value.location.line == 1


def test_a_section_inherits_what_it_does_not_say() -> None:
    root, useless = inherit(
        parsed(
            "base { version = 2\n mobike = no\n children { net { mode = tunnel\n life = 1h } } }\n"
            "other { mobike = yes\n dpd = 30 }\n"
            "connections {\n a : base, other { version = 1\n children { net { life = 2h } } }\n"
            " b : connections.a { mobike =\n }\n }"
        )
    )
    assert useless == ()
    a = {
        "version": "1",
        "mobike": "no",
        "dpd": "30",
        "children": {"net": {"life": "2h", "mode": "tunnel"}},
    }
    assert plain(root)["connections"] == {"a": a, "b": {**a, "mobike": None}}


def test_references_to_nothing_and_in_circles_are_reported() -> None:
    root, useless = inherit(parsed("a : b { x = 1 }\nb : a { y = 2 }\nc : gone.away { }"))
    assert plain(root) == {"a": {"x": "1", "y": "2"}, "b": {"y": "2", "x": "1"}, "c": {}}
    assert {entry.text for entry in useless} == {"a", "b", "gone.away"}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a {\n", 1, 1),
        ("a = 1\n}", 2, 1),
        ('a = "open', 1, 5),
        ("a", 1, 1),
        ("a : {", 1, 5),
        ("a : b c {", 1, 7),
        ('"quoted" = 1', 1, 1),
        ("a.b = 1", 1, 1),
        ("a { " * 40, 1, 129),
    ],
)
def test_what_strongswan_refuses_is_refused_at_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(SwanctlSyntaxError) as raised:
        parsed(text)
    assert (raised.value.location.line, raised.value.location.column) == (line, column)


def test_a_refusal_never_shows_a_value() -> None:
    with pytest.raises(SwanctlSyntaxError) as raised:
        parsed('secrets { ike-a { secret = "hunter2 and the rest')
    assert "hunter2" not in str(raised.value)


@given(st.text(alphabet='ab{}=:,."#\\\n\r\t include', max_size=60))
def test_whatever_is_in_a_file_is_read_or_refused(text: str) -> None:
    try:
        inherit(read("f", text.encode(), lambda _: []))
    except SwanctlSyntaxError as error:
        assert error.location.line >= 1


def chain(length: int) -> str:
    return "".join(f"s{number} : s{number + 1} {{\n}}\n" for number in range(length))


def nested(number: int) -> str:
    """A section with thirty inside one another, the innermost of which inherits the next such section."""
    opened = "".join(f"n{level} {{\n" for level in range(30))
    return f"s{number} {{\n{opened}x : s{number + 1} {{\n}}\n{'}' * 31}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # Each section refers to the next one twice: 2^40 of the last one.
        (
            "".join(
                f"{name}{number} : s{number + 1}, t{number + 1} {{\n}}\n"
                for number in range(40)
                for name in "st"
            ),
            "more than 500,000 settings",
        ),
        (
            "b {\n"
            + "".join(f"k{number} = 1\n" for number in range(2_000))
            + "}\n"
            + "".join(f"s{number} : b {{\n}}\n" for number in range(2_000)),
            "more than 500,000 settings",
        ),
        (chain(5_000), "more than 64 levels deep"),
        ("".join(map(nested, range(40))), "more than 64 levels deep"),
    ],
    ids=["doubling", "wide", "chain", "nested"],
)
def test_what_is_inherited_has_bounds(text: str, said: str) -> None:
    with pytest.raises(SwanctlSyntaxError, match=said):
        inherit(parsed(text))


def test_what_is_read_has_bounds() -> None:
    """A file that includes itself ten times, sixteen deep, would be read ten quadrillion times."""
    with pytest.raises(SwanctlSyntaxError, match="more than 16 levels deep"):
        parsed("include a.conf\n" * 10, {"/etc/swanctl/a.conf": "include a.conf\n" * 10})
    others = {f"/etc/swanctl/f{number}.conf": "" for number in range(200)}
    with pytest.raises(SwanctlSyntaxError, match="more than 20,000 files and 33,554,432 bytes"):
        parsed("include *.conf\n" * 101, others)
    with pytest.raises(SwanctlSyntaxError, match="more than 20,000 files and 33,554,432 bytes"):
        parsed("include a.conf\n" * 40, {"/etc/swanctl/a.conf": "#" * 2**20})
    with pytest.raises(SwanctlSyntaxError, match="more than 500,000 settings"):
        parsed("a {\n}\n" * 500_001)
    with pytest.raises(SwanctlSyntaxError, match="not closed"):
        parsed('a = "' + "x" * 10**6)
    with pytest.raises(SwanctlSyntaxError, match="not closed"):
        parsed('a = "' + "\\x" * 10**6)
