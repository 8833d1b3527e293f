"""`tunnelwright import` from files: what it writes, what it does not, and what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from tests.unit.importing.hand_made import HAND_MADE

ROOT = Path(__file__).parents[3]


def make_tree(folder: Path) -> Path:
    """The project's desired state, and a swanctl.conf beside it."""
    shutil.copytree(ROOT / "tests" / "sites", folder / "tree")
    (folder / "swanctl.conf").write_text("include conf.d/*.conf\n")
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "x.conf").write_text(HAND_MADE.replace("203.0.113.10", "203.0.113.40"))
    return folder / "tree"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path)


def run(tree: Path, *words: str) -> int:
    place = ["--router", "router-a", "--files", str(tree.parent / "swanctl.conf")]
    return main(["import", str(tree), "--secrets", str(tree.parent / "keys"), *place, *words])


def test_documents_and_keys_are_written_once(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tree, "--write-keys") == ExitCode.OK
    said = capsys.readouterr()
    assert "router-a.yaml: net-net from the connection net-net" in said.out
    assert "conf.d/x.conf:18" in said.err
    key = tree.parent / "keys" / "psk" / "net-net.psk"
    assert (key.read_bytes(), key.stat().st_mode & 0o777) == (b"PLANTED", 0o600)
    assert main(["validate", str(tree)]) == ExitCode.OK
    written = (tree / "imported" / "router-a.yaml").read_text()
    assert run(tree) == ExitCode.OK
    assert "0 tunnel ends imported" in capsys.readouterr().out, "it is in the desired state now"
    assert (tree / "imported" / "router-a.yaml").read_text() == written
    (tree / "imported" / "router-a.yaml").write_text("")
    assert run(tree) == ExitCode.ERROR
    assert "the import would overwrite" in capsys.readouterr().err


def test_documents_can_be_printed(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tree, "--out", "-") == ExitCode.OK
    assert capsys.readouterr().out.startswith("apiVersion: tunnelwright/v1\n")
    assert not (tree / "imported").exists()


def test_the_place_of_a_printed_document_is_no_folder(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = tree.parent / "conf.d" / "x.conf"
    conf.write_text(conf.read_text().replace("203.0.113.40", "203.0.113.10"))
    conf.write_text(conf.read_text().replace("198.51.100.7", "203.0.113.20"))
    assert run(tree, "--out", "-") == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{conf}:5:9: error: its document would not be valid" in said.err
    assert "standard output" not in said.err


def test_what_is_skipped_is_named_with_its_file_and_the_reason(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf, described = tree.parent / "conf.d" / "x.conf", tree / "site-a" / "a-to-b.yaml"
    ours = HAND_MADE.replace("net-net", "tw-a-to-b").replace("ike-x", "ike-y")
    (tree.parent / "conf.d" / "y.conf").write_text(ours)
    skipped = f"y.conf:2:5: tw-a-to-b: skipped, described already by a-to-b in {described}"
    assert run(tree) == ExitCode.OK
    assert skipped in capsys.readouterr().out
    # The file alone, without what is new.
    assert run(tree, "--connection", "tw-a-to-b", "--out", "-") == ExitCode.OK
    said = capsys.readouterr()
    assert (said.out, skipped in said.err) == ("", True)
    new = tree / "imported" / "router-a.yaml"
    assert run(tree, "--connection", "net-net", "--update") == ExitCode.OK
    said = capsys.readouterr()
    assert f"x.conf:2:5: net-net: skipped, net-net in {new} says the same" in said.out
    conf.write_text(conf.read_text() + HAND_MADE.replace("net-net", "tw-net-net").replace("ike-x", "ike-z"))
    assert run(tree, "--connection", "net-net", "--json") == ExitCode.OK
    [found] = [o for o in map(json.loads, capsys.readouterr().out.splitlines()) if o["type"] == "skipped"]
    assert found == {
        "type": "skipped",
        "router": "router-a",
        "connection": "net-net",
        "file": str(conf),
        "line": 2,
        "column": 5,
        "reason": f"net-net in {new} has taken over from it",
    }


def test_a_connection_is_not_edited_for_one_end_and_what_differs_is_said(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("site-a/a-to-b.yaml", "site-b/b-to-a.yaml"):
        (tree / name).unlink()
    file = tree / "connection.yaml"
    file.write_text(CONNECTION)
    ours = HAND_MADE.replace("net-net", "tw-a-to-b").replace("ike-x", "ike-y")
    (tree.parent / "conf.d" / "x.conf").write_text(ours)
    assert run(tree, "--update") == ExitCode.OK
    said = capsys.readouterr()
    assert (
        "tw-a-to-b: skipped, the connection a--b cannot say what its ends are on their routers (spec."
        in said.out
    )
    assert "spec.peer.cidrs: 10.2.0.0/24 -> 172.16.0.0/16, 172.18.0.0/16)" in said.out
    assert file.read_text() == CONNECTION


CONNECTION = """\
apiVersion: tunnelwright/v1
kind: IPsecConnection
metadata: {name: a--b}
spec:
  ends:
    - name: a-to-b
      router: router-a
      vip: {create: {publicNetwork: wan, address: 203.0.113.10}}
      networks: [a-app]
    - router: router-b
      vip: {name: shared-b}
  authentication: {mode: psk, key: {file: site-a--site-b.psk}}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HAND_MADE.replace("version =", "verzion ="), "verzion is not a setting that tunnelwright knows"),
        (HAND_MADE.replace("version =", "verzion ="), "hint: did you mean 'version'?"),
        (HAND_MADE.replace("esp_proposals", "esp_proposal"), "hint: did you mean 'esp_proposals'?"),
        (HAND_MADE.replace("auth = psk", "auht = psk"), "hint: did you mean 'auth'?"),
        (HAND_MADE.replace("children", "childern"), "hint: did you mean 'children'?"),
        (HAND_MADE.replace("connections", "conections"), "x.conf:1:1: warning: the section 'conections'"),
        (HAND_MADE.replace("connections", "conections"), "hint: did you mean 'connections'?"),
        (HAND_MADE[HAND_MADE.index("secrets") :], "x.conf: error: the file has no connection"),
        ("remote_addrs = 198.51.100.7\n", "1:1: warning: the setting 'remote_addrs' stands outside of any"),
        (HAND_MADE.replace("version", "Zx81qP0vTt93LmWq"), "the value (not shown, because it may be a"),
    ],
)
def test_what_is_misspelt_in_a_file_leads_to_what_is_meant(
    tree: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tree.parent / "conf.d" / "x.conf"
    conf.write_text(text)
    main(["import", str(tree), "--router", "router-a", "--files", str(conf)])
    shown = capsys.readouterr().err
    assert said in shown
    assert "Zx81qP0vTt93LmWq" not in shown


def test_a_section_to_inherit_from_is_not_taken_for_a_misspelling(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tree.parent / "conf.d" / "x.conf"
    text = conf.read_text().replace("net-net {", "net-net : connection {")
    conf.write_text(text + "connection {\n    rekey_time = 1h\n}\n")
    assert run(tree) == ExitCode.OK
    assert "passed over" not in capsys.readouterr().err


def test_a_key_file_is_not_overwritten(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree.parent / "keys" / "psk").mkdir(parents=True)
    key = tree.parent / "keys" / "psk" / "net-net.psk"
    key.touch(mode=0o600)
    key.write_text("another\n")
    assert run(tree, "--write-keys") == ExitCode.ERROR
    assert "already exists with another key" in capsys.readouterr().err
    assert key.read_text() == "another\n"
    assert not (tree / "imported").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("--router", "router-x"),
            ExitCode.ERROR,
            "no router is called router-x\nhint: did you mean 'router-c'?",
        ),
        (("--router", "router-b"), ExitCode.ERROR, "--files needs exactly one router"),
        (
            ("--connection", "other"),
            ExitCode.ERROR,
            "no connection is called other\nhint: there are: router-a: net-net",
        ),
        (("--files", "/nonexistent"), ExitCode.ERROR, "there is no file /nonexistent"),
    ],
)
def test_what_is_not_there_is_said(
    tree: Path, words: tuple[str, ...], code: ExitCode, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tree, *words) == code
    assert said in capsys.readouterr().err


def test_what_cannot_be_imported_is_said_and_the_rest_is(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = HAND_MADE.replace("net-net", "other").replace("version = 2", "version = 2\nif_id_in = 7")
    (tree.parent / "conf.d" / "y.conf").write_text(other)
    assert run(tree) == ExitCode.INCOMPLETE
    captured = capsys.readouterr()
    assert "y.conf:4:1: error: if_id_in = 7: route-based tunnels are not supported" in captured.err
    assert "1 tunnel end imported" in captured.out


def test_a_section_that_would_stay_is_said(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = (tree.parent / "conf.d" / "x.conf").read_text() + "pools { p { addrs = 10.9.0.0/24\n} }\n"
    (tree.parent / "conf.d" / "x.conf").write_text(both)
    assert run(tree) == ExitCode.OK
    said = capsys.readouterr().err
    assert "x.conf:2:5: warning: its file will not be set aside when net-net is taken over" in said
    assert "x.conf has pools, too" in said


def test_a_file_that_is_not_swanctl_conf_is_no_traceback(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree.parent / "conf.d" / "x.conf").write_bytes(b"connections {\n a = \xff\n")
    assert run(tree) == ExitCode.INCOMPLETE
    assert "x.conf:1:1: error: the section is not closed" in capsys.readouterr().err


def test_a_peer_that_looks_like_ours_is_said_to_be_unmanaged(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its address is in a range from which VIPs are taken, and no tunnel leads back from there."""
    conf = tree.parent / "conf.d" / "x.conf"
    conf.write_text(conf.read_text().replace("198.51.100.7", "203.0.113.44"))
    assert run(tree) == ExitCode.OK
    assert (
        "    address: 203.0.113.44\n    managed: false\n" in (tree / "imported" / "router-a.yaml").read_text()
    )
    assert main(["validate", str(tree)]) == ExitCode.OK
    # The other end, imported later, makes a pair of the two.
    swapped = (
        ("203.0.113.44", "<vip>"),
        ("203.0.113.40", "203.0.113.44"),
        ("<vip>", "203.0.113.40"),
        ("site-a.example", "<id>"),
        ("vpn@site-x.example", "site-a.example"),
        ("<id>", "vpn@site-x.example"),
        ("10.1.0.0/24", "10.2.0.0/24"),
        ("172.16.0.0/16, 172.18.0.0/16", "10.1.0.0/24"),
        ("net-net", "other-end"),
    )
    other = conf.read_text()
    for here, there in swapped:
        other = other.replace(here, there)
    conf.write_text(conf.read_text().replace("172.16.0.0/16, 172.18.0.0/16", "10.2.0.0/24"))
    shutil.rmtree(tree / "imported")
    for name in ("a-to-b.yaml", "a-to-c.yaml"):
        (tree / "site-a" / name).unlink()
    for name in ("site-b/b-to-a.yaml", "site-c/c-to-a.yaml"):
        (tree / name).unlink()
    assert run(tree) == ExitCode.OK
    conf.write_text(other)
    capsys.readouterr()
    place = ["--router", "router-b", "--files", str(tree.parent / "swanctl.conf")]
    assert main(["import", str(tree), *place]) == ExitCode.OK
    assert "managed: false" not in (tree / "imported" / "router-b.yaml").read_text()
    assert main(["validate", str(tree)]) == ExitCode.OK
    assert "the tunnel 'other-end' of the router 'router-b'" in capsys.readouterr().err


def test_a_peer_elsewhere_needs_no_word(tree: Path) -> None:
    assert run(tree) == ExitCode.OK
    assert "managed" not in (tree / "imported" / "router-a.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 2\n", "version = 1\n", "IKEv1 cannot negotiate aes-gcm-256"),
        ("version = 2\n", "version = 2\nrekey_time = " + "9" * 5_000 + "\n", "is not a time"),
        ("version = 2\n", "version = " + "9" * 5_000 + "\n", "both IKE versions are allowed"),
        ("10.1.0.0/24", "10.1.0.0/" + "9" * 5_000, "is not an IPv4 network"),
    ],
    ids=["aead", "time", "version", "prefix"],
)
def test_what_can_never_work_is_not_imported(
    tree: Path, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tree.parent / "conf.d" / "x.conf"
    text = conf.read_text().replace("aes256-sha256-modp2048", "aes256gcm16-prfsha256-modp2048")
    conf.write_text(text.replace(old, new))
    assert run(tree) == ExitCode.INCOMPLETE, "that connection alone is refused"
    assert said in capsys.readouterr().err
    assert not (tree / "imported").exists()


def test_what_no_reader_of_the_document_would_see_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tree.parent / "conf.d" / "x.conf"
    path.write_text(path.read_text().replace("net-net {", "net\u202e-net {"))
    assert run(tree, "--out", "-") == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    assert said.out == ""
    assert "'net\\u202e-net' contains invisible characters" in said.err
