"""The scripts by which a router goes back, or is confirmed, run in a router of their own."""

from __future__ import annotations

import pytest

from lab.engine import until
from reconciler.model import bounds
from reconciler.model.errors import CommandRejected
from reconciler.model.secret import Secret
from reconciler.model.way_back import Arming, Cause, Saved, WentBack
from reconciler.routers import scripts
from reconciler.routers.scripts import Script
from reconciler.routers.way_back import WAY_BACK
from tests.unit.routers.scratch import FOLDER, GUARDS, OTHERS, WAY, Scratch

LATER = Arming("b" * 16, "me@here", "d" * 64, "c" * 40, 300)
FILE = f"{FOLDER}/tw-paris-tokyo.conf"
SA = "tw-paris-tokyo: #1, ESTABLISHED, IKEv2, aa_i* bb_r\n    in  {old},      0 bytes\n"


def reported(paris: Scratch) -> WentBack | None:
    return paris.host.snapshot([]).way_back.back


def armed(paris: Scratch) -> bool:
    return paris.host.snapshot([]).way_back.armed is not None


def change(paris: Scratch) -> None:
    """What an apply does, files only."""
    paris.host.write_files({"tw-paris-tokyo.conf": Secret(b"after"), "tw-paris-oslo.conf": Secret(b"new")})


def files(paris: Scratch) -> dict[str, str]:
    return {path.name: path.read_text() for path in paris.path(FOLDER).iterdir() if path.is_file()}


def test_a_confirmed_router_says_so_again(paris: Scratch) -> None:
    """The first answer may have been lost."""
    paris.host.arm(WAY, Saved())
    change(paris)
    paris.host.confirm(WAY.id)
    paris.host.confirm(WAY.id)
    with pytest.raises(CommandRejected, match="it is not armed"):
        paris.host.confirm(LATER.id)
    assert files(paris)["tw-paris-tokyo.conf"] == "after"
    assert not paris.path(WAY_BACK).exists()


def test_a_router_that_went_back_after_it_was_confirmed_before_says_that(paris: Scratch) -> None:
    paris.host.arm(WAY, Saved())
    paris.host.confirm(WAY.id)
    paris.host.arm(LATER, Saved())
    paris.host.go_back(LATER.id)
    with pytest.raises(CommandRejected, match="it had gone back before"):
        paris.host.confirm(LATER.id)


def test_what_is_restored_is_what_was_and_nothing_is_left(paris: Scratch) -> None:
    paris.host.arm(WAY, Saved())
    change(paris)
    paris.host.go_back(WAY.id)
    assert files(paris) == {"tw-paris-tokyo.conf": "before"}
    assert paris.path(FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in paris.path(FOLDER).iterdir()] == ["tw-paris-tokyo.conf"]
    assert sorted(path.name for path in paris.path(WAY_BACK).parent.iterdir()) == [
        "confirm.lock",
        "went-back",
    ]


def test_a_file_is_whole_at_any_moment_of_the_going_back(paris: Scratch) -> None:
    """Here its folder has no space for the saved one."""
    paris.sh('mount -t tmpfs -o size=128k small "$1"', FOLDER)
    paris.host.write_files({"tw-paris-tokyo.conf": Secret(b"before" * 15_000)})
    paris.host.arm(WAY, Saved())
    change(paris)
    paris.sh('cat /dev/zero > "$1/other" 2>/dev/null || :', FOLDER)
    back = paris.host.go_back(WAY.id)
    assert back is not None
    assert back.problems[0].startswith("files: tar: ")
    assert files(paris)["tw-paris-tokyo.conf"] == "after"


def test_a_file_that_cannot_be_restored_ends_the_going_back(paris: Scratch) -> None:
    """It is reported, the rest is restored, and no later run of it takes tunnels down."""
    other = f"{FOLDER}/tw-paris-oslo.conf"
    paris.write(other, "before")
    paris.write("/run/sas", SA.format(old="cccccccc"))
    paris.host.arm(WAY, Saved(connections=("tw-paris-tokyo",)))
    change(paris)
    paris.path(FILE).unlink()
    paris.write(f"{FILE}/in the way")
    paris.write("/run/sas", SA.format(old="dddddddd"))
    back = paris.host.go_back(WAY.id)
    assert back is not None
    assert [problem.partition(":")[0] for problem in back.problems] == ["files", "files"]
    assert "in the way" not in back.problems[1]
    assert paris.path(other).read_text() == "before"
    assert not armed(paris)
    asked = paris.asked()
    assert len([words for words in asked if words.startswith("--terminate")]) == 1
    saved = paris.path(f"{WAY_BACK}.unrestored")
    assert saved.stat().st_mode & 0o777 == 0o700
    paris.host.lock("you@there", 60)
    paris.sh(f"sh {WAY_BACK}.unrestored/go-back overdue; sh {WAY_BACK}.unrestored/go-back restart")
    assert paris.asked() == asked
    paris.host.arm(LATER, Saved())
    assert not saved.exists(), "keys are not kept for longer than that"


def test_a_state_that_cannot_be_removed_is_no_reason_to_go_back_again(paris: Scratch) -> None:
    paris.host.arm(WAY, Saved())
    script = f"chattr +i {WAY_BACK}/state 2>/dev/null || mount --bind {WAY_BACK}/state {WAY_BACK}/state"
    paris.sh(script)
    with pytest.raises(CommandRejected, match="it could not go back"):
        paris.host.go_back(WAY.id)
    asked = paris.asked()
    assert asked
    with pytest.raises(CommandRejected, match="it could not go back"):
        paris.host.go_back(WAY.id)
    assert paris.asked() == asked


def test_a_part_that_failed_is_tried_again_and_no_other(paris: Scratch) -> None:
    """SAs are ended once: those that came up since are right."""
    paris.write("/run/sas", SA.format(old="cccccccc"))
    paris.host.arm(WAY, Saved(connections=("tw-paris-tokyo",), sysctls=("net/ipv4/conf/lo/rp_filter",)))
    paris.sh(f"echo 'net/ipv4/conf/lo/rp_filter nonsense' > {WAY_BACK}/settings")
    paris.write("/run/sas", SA.format(old="dddddddd"))
    back = paris.host.go_back(WAY.id)
    assert back is not None
    assert [problem.partition(":")[0] for problem in back.problems] == ["kernel settings"]
    words = [words.partition(" ")[0] for words in paris.asked()]
    assert words.count("--terminate") == words.count("--load-all") == 1


def test_a_timer_of_another_arming_is_ignored(paris: Scratch) -> None:
    paris.host.arm(WAY, Saved())
    paris.sh("cp -r $1 /run/stray", WAY_BACK)
    paris.host.confirm(WAY.id)
    paris.host.arm(LATER, Saved())
    for cause in ("deadline", "unproven", "overdue"):
        paris.sh(f"sh {WAY_BACK}/go-back {cause} {WAY.id}")
    assert armed(paris)
    paris.sh(f"sh {WAY_BACK}/go-back deadline")
    back = reported(paris)
    assert back is not None
    assert (back.arming, back.cause) == (LATER, Cause.DEADLINE)


@pytest.mark.parametrize("systemd", [False, True])
def test_the_timer_names_its_arming(paris: Scratch, systemd: bool) -> None:
    if systemd:
        paris.path("/run/systemd/system").mkdir(parents=True)
    paris.host.arm(WAY, Saved())
    running = paris.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    words = "\n".join(paris.asked("systemd-run")) if systemd else running
    assert f"{WAY_BACK}/go-back" in words
    assert WAY.id in words.partition(f"{WAY_BACK}/go-back")[2]


def test_guards_do_not_wait_for_a_router_that_goes_back(paris: Scratch) -> None:
    paris.load(GUARDS)
    paris.host.arm(WAY, Saved())
    with paris.start(["sh", "-c", f"exec 9>{WAY_BACK}.lock; flock 9; echo locked; cat"]) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        paris.sh("/etc/tunnelwright/load")
        assert "table inet tunnelwright\n" in paris.sh("nft list tables")
    assert armed(paris)


def test_a_router_that_restarted_goes_back_before_its_guards_are_loaded(paris: Scratch) -> None:
    paris.load(GUARDS)
    paris.host.arm(WAY, Saved())
    paris.load(OTHERS)
    change(paris)
    paris.sh("sed -i 's/[^ ]*$/another-start/' $1", f"{WAY_BACK}/state")
    paris.sh("/etc/tunnelwright/load")
    back = reported(paris)
    assert back is not None
    assert (back.cause, back.problems) == (Cause.RESTART, ())
    assert files(paris) == {"tw-paris-tokyo.conf": "before"}
    assert "10.2.0.0/16" in paris.sh("nft list table inet tunnelwright")
    assert paris.asked() == ["--list-sas"], "when it was armed; charon has not started yet"


def test_a_router_whose_guards_have_gone_has_them_back_before_they_are_loaded(paris: Scratch) -> None:
    """Also their folder, in which `load` runs."""
    paris.load(GUARDS)
    paris.host.arm(WAY, Saved())
    load = paris.path("/etc/tunnelwright/load").read_text()
    paris.sh("rm -rf /etc/tunnelwright")
    paris.sh("sed -i 's/[^ ]*$/another-start/' $1", f"{WAY_BACK}/state")
    paris.sh(load)
    assert "10.2.0.0/16" in paris.sh("nft list table inet tunnelwright")


UNIT = "/etc/systemd/system/tunnelwright.way-back.service"
LINK = "/etc/systemd/system/sysinit.target.wants/tunnelwright.way-back.service"


@pytest.mark.parametrize("end", ["confirmed", "back", "not armed"])
def test_an_armed_router_goes_back_at_its_boot_whatever_its_boot_files_are(paris: Scratch, end: str) -> None:
    paris.path("/run/systemd/system").mkdir(parents=True)
    paris.load(GUARDS)
    paris.write("/etc/systemd/system/tunnelwright-guard.service", "[Service]\n")
    if end == "not armed":
        paris.sh("printf '#!/bin/sh\nexit 1\n' > /usr/sbin/systemd-run")
        with pytest.raises(CommandRejected):
            paris.host.arm(WAY, Saved())
        assert not (paris.path(UNIT).exists() or paris.path(LINK).is_symlink())
        return
    paris.host.arm(WAY, Saved())
    held = paris.host.snapshot([])
    assert (paris.path(LINK).is_symlink(), UNIT in held.owned) == (True, False)
    unit = paris.path(UNIT).read_text()
    if end == "confirmed":
        paris.host.confirm(WAY.id)
    else:
        paris.host.remove_owned([*held.owned])
        paris.sh("sed -i 's/[^ ]*$/another-start/' $1", f"{WAY_BACK}/state")
        paris.sh(unit.partition("ExecStart=")[2])
        back = reported(paris)
        assert back is not None
        assert (back.cause, back.problems) == (Cause.RESTART, ())
        assert set(paris.host.snapshot([]).owned) == set(held.owned)
        # This boot began without it.
        assert "--no-block start tunnelwright-guard.service" in paris.asked("systemctl")
    assert not (paris.path(UNIT).exists() or paris.path(LINK).is_symlink())


def test_a_router_that_goes_back_for_longer_is_not_waited_for_to_the_end(
    paris: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its charon hangs."""
    monkeypatch.setattr(bounds, "GO_BACK_SECONDS", 1)
    paris.host.arm(WAY, Saved())
    change(paris)
    hangs = "#!/bin/sh\nuntil [ -e /run/answers ]; do /usr/bin/sleep 0.05; done\n"
    paris.write("/usr/sbin/swanctl", hangs, 0o755)
    with pytest.raises(CommandRejected, match="it has not gone back within 1 s, and goes on"):
        paris.host.go_back(WAY.id)
    paris.write("/run/answers")
    assert until(lambda: reported(paris) is not None, 20)
    assert files(paris) == {"tw-paris-tokyo.conf": "before"}


@pytest.mark.parametrize("left", [f"{WAY_BACK}.new", WAY_BACK])
def test_a_boot_cleans_up_what_a_power_cut_has_left_of_keys(paris: Scratch, left: str) -> None:
    paris.load(GUARDS)
    paris.write(f"{left}/files.tar", "keys")
    with paris.start(["sh", "-c", f"exec 9>{WAY_BACK}.lock; flock 9; echo locked; cat"]) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        paris.sh("/etc/tunnelwright/load")
        assert paris.path(left).exists(), "another process writes it just now"
    paris.sh("/etc/tunnelwright/load")
    assert not paris.path(left).exists()


@pytest.mark.parametrize("script", [Script.WRITE, Script.WRITE_OWNED, Script.ARM])
def test_a_script_that_is_ended_leaves_no_keys(paris: Scratch, script: Script) -> None:
    known = scripts.variables(FOLDER)
    words = ["env", *known, "dash", "-c", f"echo $$; {scripts.text(script)}", "tunnelwright", *"abcde"]
    with paris.start(words) as running:
        assert running.stdout is not None
        number = running.stdout.readline().decode().strip()
        places = (
            "/run/tunnelwright-files-* /etc/swanctl/conf.d/.tunnelwright-* /var/lib/tunnelwright/confirm.new"
        )
        seen = f"ls -d {places} 2>/dev/null || :"
        assert until(lambda: paris.sh(seen) != "", 20)
        # What timeout(1) does: to the whole group.
        paris.sh(f"kill -s TERM {number} $(cat /proc/{number}/task/{number}/children)")
        assert running.wait(20) != 0
        assert paris.sh(seen) == ""


def test_what_was_left_of_written_files_goes_with_the_next_arming(paris: Scratch) -> None:
    for name in (".tunnelwright-new", ".tunnelwright-Zx81Qa", ".tunnelwright-back"):
        paris.write(f"{FOLDER}/{name}/tw-paris-tokyo.conf", "keys")
    paris.host.arm(WAY, Saved())
    assert [path.name for path in paris.path(FOLDER).iterdir()] == ["tw-paris-tokyo.conf"]


def test_systemd_stops_the_watch_before_its_files_go(paris: Scratch) -> None:
    unit = "/etc/systemd/system/tunnelwright-watch.service"
    paris.path("/run/systemd/system").mkdir(parents=True)
    paris.host.arm(WAY, Saved())
    paris.write(unit, "[Service]\n")
    paris.host.go_back(WAY.id)
    assert not paris.path(unit).exists()
    words = [line for line in paris.asked("systemctl") if "watch" in line or "daemon" in line]
    assert words == ["stop tunnelwright-watch.service", "daemon-reload"]


def test_systemd_starts_the_watch_again_that_was_there(paris: Scratch) -> None:
    unit = "/etc/systemd/system/tunnelwright-watch.service"
    paris.path("/run/systemd/system").mkdir(parents=True)
    paris.write(unit, "[Service]\n")
    paris.host.arm(WAY, Saved())
    paris.path(unit).unlink()
    paris.host.go_back(WAY.id)
    assert paris.path(unit).exists()
    words = [line for line in paris.asked("systemctl") if "watch" in line]
    assert words == ["--no-block restart tunnelwright-watch.service"]
