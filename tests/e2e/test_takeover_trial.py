"""Eight calendars are taken over under kills and lost answers; `python -m tests.takeover` takes more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.installation import end_all
from tests.takeover.trial import tried

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _processes() -> Iterator[None]:
    """Leave nothing running."""
    yield
    end_all()


@pytest.mark.parametrize("on_graph", [False, True], ids=["ews", "graph"])
def test_each_event_stands_once_every_note_is_kept_and_all_can_be_given_back(
    tmp_path: Path, *, on_graph: bool
) -> None:
    trial = tried(tmp_path / "trial", 8, 1, on_graph=on_graph, share=0.02, most=20)
    assert trial.wrong == []
    assert trial.reaper.killed + trial.reaper.lost > 0
