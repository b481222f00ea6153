"""A small installation on a sandbox of a few people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running, start
from tests.e2e.house import House

NOW = "2025-08-18T08:00+02:00"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of a few people."""
    directory = tmp_path / "served"
    generate(directory, students=20)
    with start(directory) as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, sandbox: Running) -> Iterator[House]:
    """An installation without tables, of the sandbox's domain; its logs name nobody."""
    made = House(
        tmp_path, tmp_path, sandbox, f"sqlite:///{tmp_path}/k.db", NOW, "epost:INSTITUSJON"
    )
    text = made.config.read_text().replace("uio.example", "uni.example")
    made.config.write_text(text)
    yield made
    made.assert_logs_are_clean()
