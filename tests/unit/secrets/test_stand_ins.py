"""Keys for a lab: one for every reference, and for nothing else than a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.fabric import PskRef
from reconciler.secrets import weakness
from reconciler.secrets.stand_ins import StandIns

ROOT = Path(__file__).parents[3]
REFERENCES = [
    PskRef("file", "a.psk"),
    PskRef("file", "b.psk"),
    PskRef("vault", "tunnels/a", "psk"),
    PskRef("age", "a.age", written="one"),
    PskRef("age", "a.age", written="encrypted anew"),
]


def test_each_reference_has_a_key_of_its_own_and_the_same_in_each_run() -> None:
    keys = StandIns().keys(REFERENCES)
    assert len({key.reveal() for key in keys.values()}) == len(REFERENCES)
    assert keys == StandIns().keys(REFERENCES)
    assert StandIns().fingerprint_key() == StandIns().fingerprint_key()
    assert StandIns().fingerprint_key() not in keys.values()
    assert not any(map(weakness, keys.values())), "an apply would refuse them"


@pytest.mark.parametrize("command", ["plan", "apply", "status", "verify", "diagnose"])
def test_they_are_refused_where_routers_are_real(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(ROOT / "desired_state"), "--stand-in-keys"]) == ExitCode.ERROR
    assert (
        "the keys of --stand-in-keys are not secret, so they are for labs only\nhint: name a --lab"
        in capsys.readouterr().err
    )
