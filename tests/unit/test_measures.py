"""What the measuring script counts, on a made-up package."""

from pathlib import Path

from bench import house

SOURCE = '''"""Two lines
of docstring."""

# a comment
def _once(item):
    return item


def _twice():
    return _once(1)


def shown(found, names):
    """Documented."""
    each = [_twice() for each in names]
    return call(lambda: _twice(), found)
'''


def test_lines_functions_names_and_callbacks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    package = house.modules(tmp_path)
    assert house.code_lines(package[0]) == 7
    assert [f.name for f in house.private_used_once(package)] == ["_once"]
    assert [f.name for f in house.short_with_one_caller(package)] == ["_once"]
    bound = sorted(house.bindings(package))
    assert bound == ["each", "each", "found", "item", "names"]
    assert [name for name in bound if house.is_bare(name, house.BARE)] == ["each", "each", "found"]
    assert house.callbacks(package[0].tree) == 1
