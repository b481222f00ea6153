"""The pages for developers name only files, functions and commands that there are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
NAMED = re.compile(
    r"`((?:kalender|migrations|tests|docs|bench)/[\w./-]*|[\w.]+\.(?:toml|md))(?:::([\w.]+))?`"
)


def named(page: str) -> set[tuple[str, str]]:
    """Return the paths that a page names, each with a function, a class or nothing."""
    return {(path, name) for path, name in NAMED.findall((ROOT / page).read_text("utf-8"))}


def definitions(path: Path) -> set[str]:
    """Return the functions and classes of a module, and methods as Class.method."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_function_that_is_named_is_there(page: str) -> None:
    paths = named(page)
    assert len(paths) > 5
    for path, name in sorted(paths):
        assert (ROOT / path).exists(), f"{page} names {path}"
        if name:
            assert name in definitions(ROOT / path), f"{page} names {path}::{name}"


def test_every_folder_and_module_of_the_package_is_said_what_for() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    for path in (ROOT / "kalender").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`kalender/{path.name}/`" in text, path.name


def test_every_target_of_make_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        for target in re.findall(r"(?:`|^    )make ([\w-]+)", text, re.MULTILINE):
            assert target in targets, f"{page} names make {target}"


def test_the_example_of_a_test_is_a_test() -> None:
    fences = re.findall(
        r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL
    )
    (example,) = fences
    assert example in (ROOT / "tests/integration/test_reconcile.py").read_text("utf-8")
