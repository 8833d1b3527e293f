"""The words that the glossary rules out are in no name and text of the code and its tests, and in no page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
CODE = ("reconciler", "schemas", "lab", "bench", "scripts", "deploy", "tests")
NAMES = re.compile(
    r"AssertionError|TextIOWrapper|GitCommandWrapperType|wrapper_class|file_wrapper|cap_(?:add|drop)|cap-drop|"
    r"Cap(?:Eff|Bnd)|--strip-components|--orphan|from itertools import cycle|permission ?denied|its NEWS|"
    r"liveness check|preserveAspectRatio|bypass_csp",
    re.IGNORECASE,
)
"""Names and messages of Python, Docker, Git, GNU tar, the kernel, strongSwan and the libraries."""
ORDINARY = {
    ("announcement", "CHANGELOG.md"),  # former names of values
    ("tell", "CHANGELOG.md"),
    ("told", "reconciler/history/tables.py"),  # the name of a table in files of an earlier version
    ("told", "tests/unit/history/test_history.py"),
    ("cycle", "reconciler/page/server.py"),  # uvicorn's
    ("cycle", "tests/lab/boots/boots.py"),  # a function of Python's
    ("cycle", "tests/unit/cli/test_collector.py"),  # of references, in a garbage collector
    ("cycle", "tests/unit/validate/test_bounds_of_pairs.py"),
}
"""(word, file) where a word stands for what others, or former versions, call so."""
EXAMPLES = {"STYLE.md", "docs/reference/glossary.md"}
"""Pages that quote words in order to rule them out."""


def ruled_out(glossary: str) -> dict[str, str]:
    """Word -> the term to write instead, of words without a remark."""
    found: dict[str, str] = {}
    for row in re.findall(r"^\| (?!term )(.*)$", glossary, re.MULTILINE):
        term, _, words = re.split(r"\s*\|\s*", row)[:3]
        for word in re.sub(r"[^,(]*\([^)]*\)", "", words).split(","):
            found |= {word.strip(): term} if word.strip() else {}
    return found


def forms(word: str) -> set[str]:
    """A word as it is inflected."""
    stem = word.removesuffix("e")
    return {word, f"{word}s", f"{stem}ed", f"{stem}ing", f"{stem}er", f"{stem}ers"}


def words_of(line: str) -> str:
    """The words of its names (`_told_apart` and `ToldApart` -> ` told apart`), and what stands between."""
    between = r"_|(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[0-9])(?=[A-Za-z])"
    return re.sub(between, " ", NAMES.sub("", line)).lower()


WORDS = ruled_out(GLOSSARY.read_text(encoding="utf-8"))
SEARCHED = {form: word for word in WORDS for form in forms(word)}
PHRASES = {form: word for form, word in SEARCHED.items() if not form.isalpha()}
ACTORS = re.compile(r"\b(?:nobody|somebody|anybody|whoever|someone|anyone)\b", re.IGNORECASE)
SETTINGS = ("Makefile", "pyproject.toml", ".importlinter", ".pre-commit-config.yaml")
KINDS = {".py", ".sh", ".j2", ".service", ".timer", ".yaml", ".yml", ".sysusers", ".json"}
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in SETTINGS)]
    if str(path.relative_to(ROOT)) not in EXAMPLES
)


def sources(room: str) -> list[Path]:
    """Every file with code of a folder."""
    files = (ROOT / room).rglob("*")
    return sorted(path for path in files if path.suffix in KINDS and path != Path(__file__))


def text_of(path: Path) -> str:
    """The text of a file; some of the tests are not UTF-8."""
    return path.read_text(encoding="utf-8", errors="replace")


def found(text: str, place: str) -> set[str]:
    """Each word of a text that is ruled out, with its place and the term."""
    text = text.lower()
    words = {*re.findall(r"(?<!\w)[a-z]+(?!\w)", text)} & SEARCHED.keys()
    words |= {phrase for phrase in PHRASES if phrase in text and re.search(rf"\b{phrase}\b", text)}
    return {
        f"{place}: {word!r} → {WORDS[SEARCHED[word]]!r}"
        for word in words
        if (SEARCHED[word], place) not in ORDINARY
    }


def test_the_glossary_rules_words_out() -> None:
    """Otherwise the other tests would search for nothing."""
    assert WORDS["meanwhile"] == "drift attribution"
    assert WORDS["far end"] == "other end"
    assert "gateway" not in WORDS, "it has a remark"
    assert len(WORDS) > 50
    source = 'def _farEnd(self):  # a word\n    """Told."""\n    MEANWHILE = "a word"'
    assert found(words_of(source), "x") == {
        "x: 'far end' → 'other end'",
        "x: 'meanwhile' → 'drift attribution'",
        "x: 'told' → 'notification'",
    }


@pytest.mark.parametrize("room", CODE)
def test_no_name_and_no_text_in_the_code_has_a_word_that_is_ruled_out(room: str) -> None:
    problems = set[str]()
    for path in sources(room):
        place = str(path.relative_to(ROOT))
        for number, line in enumerate(text_of(path).splitlines(), 1):
            problems |= {f"{number}: {problem}" for problem in found(words_of(line), place)}
    assert problems == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_word_that_is_ruled_out(page: Path) -> None:
    assert found(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT))) == set()


@pytest.mark.parametrize("room", CODE)
def test_the_code_names_its_actors(room: str) -> None:
    """STYLE: they are rarely the point."""
    assert [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sources(room)
        for match in ACTORS.finditer(words_of(text_of(path)))
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_page_names_its_actors(page: Path) -> None:
    assert [match[0] for match in ACTORS.finditer(page.read_text(encoding="utf-8"))] == []
