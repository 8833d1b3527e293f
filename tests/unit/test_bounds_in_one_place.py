"""Bounds stand in one place, each with its reason."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

from reconciler.model import bounds

MODULES = [item.name for item in pkgutil.iter_modules(bounds.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_each_bound_has_its_reason_and_is_among_all_of_them(name: str) -> None:
    module = importlib.import_module(f"reconciler.model.bounds.{name}")
    assert module.__file__ is not None
    _, *body = ast.parse(Path(module.__file__).read_text()).body
    statements = [item for item in body if not isinstance(item, ast.ImportFrom)]
    for bound, reason in zip(statements[::2], statements[1::2], strict=True):
        assert isinstance(bound, ast.AnnAssign), ast.unparse(bound)
        assert isinstance(reason, ast.Expr), f"{ast.unparse(bound)} has no reason"
        word = ast.unparse(bound.target)
        assert ast.unparse(bound.annotation) == "Final", word
        assert getattr(bounds, word, None) is getattr(module, word), word


def test_no_two_modules_have_a_bound_of_one_name() -> None:
    modules = [importlib.import_module(f"reconciler.model.bounds.{name}") for name in MODULES]
    own = [word for module in modules for word in module.__annotations__ if word.isupper()]
    assert len(own) == len(set(own)) == len([word for word in vars(bounds) if word.isupper()])
