"""Every variable of the environment that the program reads is in the reference, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from schemas.variables import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Environment\n")[2].partition("\n## ")[0]
ROWS = [line.split("|")[1] for line in SECTION.splitlines() if line.startswith("| `")]
DOCUMENTED = {word for row in ROWS for word in re.findall(r"`([A-Za-z0-9_]+…?)`", row)}

_NAME = re.compile(r"[A-Z][A-Z0-9]*(_+[A-Z0-9]+)+_?|[A-Z]+_|[a-z]+_proxy")
_WORDS = {"GNUPGHOME", "HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"}
"""Names of variables that are single words, as constants of other kinds are."""
_ENVIRONMENT = {"environ", "environment", "_environment", "getenv", "minimal"}
"""What the environment is called where it is read or handed on."""
_SET = {
    "DATA_PLANE",
    "DEBIAN_FRONTEND",
    "GIT_ALLOW_PROTOCOL",
    "GIT_ATTR_NOSYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_GRAFT_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NO_LAZY_FETCH",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OPTIONAL_LOCKS",
    "GIT_TERMINAL_PROMPT",
    "LAB_OWNER",
    "LC_ALL",
    "VROUTER_CIDRS",
    "VROUTER_INTERFACES",
}
"""What child processes and containers are given, whatever the environment says."""
_NO_VARIABLES = {"ID_LIKE", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"}
"""Names of other kinds in modules that read the environment."""
_WSGI = ROOT / "reconciler" / "service" / "web.py"
"""Its `environ` is a request."""


def named(source: str) -> set[str]:
    """What may be a name of a variable in a module that reads the environment."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    words = {node.id for node in nodes if isinstance(node, ast.Name)}
    words |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    if words.isdisjoint(_ENVIRONMENT):
        return set()
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if _NAME.fullmatch(text) or text in _WORDS}


def read() -> set[str]:
    """All that the program reads."""
    found: set[str] = set()
    for package in ("lab", "reconciler", "schemas"):
        for module in (ROOT / package).rglob("*.py"):
            if module != _WSGI:
                found |= named(module.read_text(encoding="utf-8"))
    return found - _SET - _NO_VARIABLES


def is_documented(name: str) -> bool:
    """By its name, or by a beginning that the page ends with `…`."""
    beginnings = [word[:-1] for word in DOCUMENTED if word.endswith("…") and word != "TUNNELWRIGHT_…"]
    return name in DOCUMENTED or any(name.startswith(beginning) for beginning in beginnings)


def test_what_is_read_is_documented() -> None:
    assert sorted(name for name in read() if not is_documented(name)) == []


def test_what_is_documented_is_read() -> None:
    known = read() | {setting.variable for setting in settings()} | {"TUNNELWRIGHT_KEY_", "TUNNELWRIGHT_"}
    unknown = {word for word in DOCUMENTED if word.removesuffix("…") not in known}
    assert sorted(unknown) == []


def test_each_setting_of_keys_holds_for_every_command() -> None:
    keys = {setting.variable for setting in settings() if setting.variable.startswith("TUNNELWRIGHT_KEYS__")}
    assert keys <= DOCUMENTED


@pytest.mark.parametrize(
    "source",
    [
        "import os\nfound = os.environ.get('SOME_NAME')",
        "NAME = 'SOME_NAME'\ndef f(environment): return NAME in environment",
        "from reconciler.doors.processes import minimal\nminimal(*('SOME_NAME',))",
    ],
)
def test_a_variable_is_found_however_it_is_read(source: str) -> None:
    assert named(source) == {"SOME_NAME"}
