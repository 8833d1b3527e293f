"""One apply takes over connections that were configured by hand, however their files are cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.cli import access
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.router_config import InterfaceAddress, LiveFile
from reconciler.model.secret import Secret
from tests.memory import MemoryRouter, Network

ROOT = Path(__file__).parents[3]
SITES = {
    "a": ("203.0.113.2", "10.1.0.0/24"),
    "b": ("203.0.113.3", "10.2.0.0/24"),
    "c": ("203.0.113.4", "10.3.0.0/24"),
}
"""Site -> the address of its router, and its network."""
FOLDER = "/etc/swanctl/conf.d"


def connection(here: str, there: str) -> str:
    """A connection of one site to another, named after both."""
    (local, source), (remote, destination) = SITES[here], SITES[there]
    return (
        f"connections {{\n{here}-{there} {{\nversion = 2\nlocal_addrs = {local}\nremote_addrs = {remote}\n"
        "rekey_time = 14400s\ndpd_delay = 30s\nunique = replace\nproposals = aes256-sha256-modp2048\n"
        f"local {{\nauth = psk\nid = {local}\n}}\nremote {{\nauth = psk\nid = {remote}\n}}\n"
        f"children {{\nnet {{\nlocal_ts = {source}\nremote_ts = {destination}\nmode = tunnel\n"
        "rekey_time = 3600s\ndpd_action = restart\nstart_action = trap\n"
        "esp_proposals = aes256-sha256-modp2048\n}\n}\n}\n}\n"
    )


def key(there: str) -> str:
    secret = f"id = {SITES[there][0]}\nsecret = 0sUExBTlRFRCBrZXkgb2YgYm90aCBlbmRz\n"
    return f"secrets {{\nike-{there} {{\n{secret}}}\n}}\n"


@pytest.mark.parametrize(
    ("files", "aside"),
    [
        (
            {"office.conf": connection("a", "b") + key("b"), "branch.conf": connection("a", "c") + key("c")},
            ["branch.conf", "office.conf"],
        ),
        (
            {"both.conf": connection("a", "b") + connection("a", "c"), "keys.conf": key("b") + key("c")},
            ["both.conf"],
        ),
        (
            {"both.conf": connection("a", "b") + connection("a", "c") + key("b") + key("c")},
            ["both.conf"],
        ),
        (
            {"branch.conf": connection("a", "c"), "office.conf": connection("a", "b") + key("b") + key("c")},
            ["branch.conf", "office.conf"],
        ),
    ],
    ids=["each-its-own", "keys-of-their-own", "one-file", "key-in-the-other-file"],
)
def test_one_apply_takes_over_whatever_the_files_are(
    files: dict[str, str],
    aside: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, keys = tmp_path / "tree", tmp_path / "keys"
    shutil.copytree(ROOT / "tests" / "sites", tree)
    for name in ("site-a/a-to-b", "site-a/a-to-c", "site-b/b-to-a", "site-c/c-to-a"):
        (tree / f"{name}.yaml").unlink()
    (tree / "vips.lock.yaml").unlink()
    network = Network()
    routers = {
        f"router-{site}": MemoryRouter(f"router-{site}", network, [InterfaceAddress("wan0", f"{address}/24")])
        for site, (address, _) in SITES.items()
    }
    monkeypatch.setattr(access, "connector", lambda *_: routers.__getitem__)
    written = {"a": files, **{site: {"a.conf": connection(site, "a") + key("a")} for site in "bc"}}
    for site, texts in written.items():
        router = routers[f"router-{site}"]
        router.host.files |= {n: LiveFile(Secret(text.encode()), 0o600) for n, text in texts.items()}
        router.restart_charon()
    place = [str(tree), "--secrets", str(keys)]
    assert main(["import", *place, "--write-keys"]) == ExitCode.OK
    assert "import-file-stays" not in capsys.readouterr().err
    code = main(["apply", *place, "--auto-approve", "--wait", "0.1"])
    assert code == ExitCode.OK, capsys.readouterr()
    held = routers["router-a"].host.files
    assert sorted(n for n in held if n.endswith(".adopted")) == [f"{name}.adopted" for name in aside]
    assert not held.keys() & set(aside)
    capsys.readouterr()
    assert main(["plan", *place]) == ExitCode.OK
    assert "No changes." in capsys.readouterr().out
