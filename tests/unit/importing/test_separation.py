"""Whether the file of a connection can go without anything else that charon loads."""

from __future__ import annotations

import fnmatch

import pytest

from reconciler.facets.files.swanctl_conf import SwanctlSyntaxError
from reconciler.importing.separation import MAIN_FILE, Configuration, Inseparable, collect, separate
from reconciler.model.errors import SourceUnavailable
from reconciler.model.router_config import ForeignFile
from reconciler.model.secret import Secret

PATH = "/etc/swanctl/conf.d/{}.conf"


def connection(name: str, peer: str = "", more: str = "") -> str:
    """A connection of its own peer."""
    number = sum(name.encode()) % 200
    return (
        f"connections {{ {name} {{\nlocal_addrs = 192.0.2.1\nremote_addrs = 198.51.100.{number}\n"
        f"local {{ auth = psk\nid = us.example\n}}\n"
        f"remote {{ auth = psk\nid = {peer or name + '.example'}\n}}\n{more}\n}} }}\n"
    )


def key(name: str, *owners: str, kind: str = "ike") -> str:
    ids = "".join(f"id-{index} = {owner}\n" for index, owner in enumerate(owners))
    return f"secrets {{ {kind}-{name} {{\n{ids}secret = {name}\n}} }}\n"


def configuration(**files: str) -> Configuration:
    """A router's swanctl.conf; `main` stands in it, the rest below conf.d."""
    held = {PATH.format(name): Secret(text.encode()) for name, text in files.items() if name != "main"}
    held[MAIN_FILE] = Secret((files.get("main", "") + "\ninclude conf.d/*.conf\n").encode())
    return collect(MAIN_FILE, lambda pattern: {n: held[n] for n in sorted(fnmatch.filter(held, pattern))})


def test_a_file_of_its_own_can_go_with_its_keys() -> None:
    own = connection("office") + key("office", "office.example") + "template { mobike = no\n}\n"
    found = configuration(a=own, b=connection("other") + key("other", "other.example"))
    path = PATH.format("a")
    assert separate(found, "office", {"office"}, {"office", "other"}) == ForeignFile(path, ("ike-office",))
    assert separate(found, "gone", {"gone"}, ()) is None


def test_a_file_of_several_can_go_when_all_are_adopted() -> None:
    found = configuration(a=connection("a") + connection("b") + key("both", "a.example", "b.example"))
    file = separate(found, "a", {"a", "b"}, ())
    assert file == ForeignFile(PATH.format("a"), ("ike-both",), ("b",))
    with pytest.raises(Inseparable, match="the connection b needs"):
        separate(found, "a", {"a"}, ())


def test_our_own_connections_have_keys_of_their_own() -> None:
    """A key that was rotated since does not tie the foreign file to what came of it."""
    ours = connection("tw-office", "office.example") + key("tw-office-1", "office.example")
    found = configuration(a=connection("office") + key("office", "office.example"), **{"tw-office": ours})
    assert separate(found, "office", {"office"}, {"office", "tw-office", "tw-other"}) is not None


@pytest.mark.parametrize(
    ("files", "loaded", "why"),
    [
        ({"main": connection("office")}, (), "in /etc/swanctl/swanctl.conf, the main file"),
        ({"a": connection("office") + "pools { p { addrs = 10.9.0.0/24\n} }"}, (), "has pools, too"),
        ({"a": connection("office") + "authorities { c { cacert = x\n} }"}, (), "has authorities, too"),
        ({"a": connection("office") + key("x", kind="eap")}, (), "keys of other kinds"),
        ({"a": connection("office"), "b": connection("office")}, (), "it is in .*b.conf as well"),
        (
            {"a": connection("office") + "base { mobike = no\n}", "b": "connections { other : base { } }"},
            (),
            "the connection other needs",
        ),
        (
            {"a": connection("office") + "connections { other { mobike = no\n} }", "b": connection("other")},
            (),
            "the connection other needs",
        ),
        (
            {"a": connection("office") + key("any"), "b": connection("other")},
            (),
            "the connection other may use its key",
        ),
        (
            {"a": connection("office") + key("us", "us.example"), "b": connection("other")},
            (),
            "the connection other may use its key",
        ),
        (
            {"a": connection("office") + key("us", "us.example"), "b": connection("other", "%any")},
            (),
            "the connection other may use its key",
        ),
        (
            {"a": connection("office") + key("office", "office.example")},
            ("office", "unwritten"),
            "the connection unwritten, which is not in a file",
        ),
    ],
)
def test_what_others_need_stays(files: dict[str, str], loaded: tuple[str, ...], why: str) -> None:
    with pytest.raises(Inseparable, match=why):
        separate(configuration(**files), "office", {"office"}, loaded)


def test_who_has_no_shared_key_needs_none() -> None:
    certified = connection("other").replace("auth = psk", "auth = pubkey")
    found = configuration(a=connection("office") + key("any"), b=certified)
    assert separate(found, "office", {"office"}, ()) is not None


def test_no_key_is_shown() -> None:
    text = connection("office") + "secrets { ike-x { secret = PLANTED\n} }"
    assert "PLANTED" not in repr(configuration(a=text))


def test_a_missing_file_is_said() -> None:
    with pytest.raises(SourceUnavailable):
        collect(MAIN_FILE, lambda _: {})


def test_a_router_is_asked_for_so_many_patterns_and_no_more() -> None:
    main = "".join(f"include none/{number}.conf\n" for number in range(10_000))
    asked: list[str] = []

    def read(pattern: str) -> dict[str, Secret]:
        asked.append(pattern)
        return {MAIN_FILE: Secret(main.encode())} if pattern == MAIN_FILE else {}

    with pytest.raises(SwanctlSyntaxError, match="more than 256 file patterns"):
        collect(MAIN_FILE, read)
    assert len(asked) == 257
