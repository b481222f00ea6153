"""Nobody is asked while a transaction is open: all other writers would wait for the answer."""

import ast
from collections.abc import Iterator
from pathlib import Path

import kalender

ASKS = {"confirm", "prompt", "input"}


def asked_within(source: str) -> Iterator[int]:
    """Yield the lines of questions within `with database.write()` or `.read()`."""
    for block in ast.walk(ast.parse(source)):
        if isinstance(block, ast.With) and any(map(_is_transaction, block.items)):
            for each in ast.walk(block):
                if isinstance(each, ast.Call) and _name(each) in ASKS:
                    yield each.lineno


def _is_transaction(item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and _name(call) in {"write", "read"}


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def test_no_question_is_asked_within_a_transaction() -> None:
    asked = {
        f"{path.name}:{line}"
        for path in Path(kalender.__path__[0]).rglob("*.py")
        for line in asked_within(path.read_text("utf-8"))
    }
    assert asked == set()
