"""The scripted day is written without what differs from run to run."""

from datetime import date
from pathlib import Path

from tests.day.masks import masked, masks

RULES = masks(Path("/somewhere"), date(2026, 3, 1))


def test_what_differs_from_run_to_run_is_masked_and_teaching_stays() -> None:
    before = (
        '{"took_seconds": 0.25, "timestamp": "2026-03-01T15:45:05.530016Z", "start": '
        '"2025-09-02T10:15:00Z", "at": "http://127.0.0.1:4711/x", "in": "/somewhere/k.db"}\n'
        'some_seconds_bucket{le="1"} 3\nentries_total{kind="x"} 3\n'
    )
    assert masked(before, RULES) == (
        '{"took_seconds": <number>, "timestamp": "<instant>", "start": '
        '"2025-09-02T10:15:00Z", "at": "http://127.0.0.1:<port>/x", "in": "<directory>/k.db"}\n'
        'entries_total{kind="x"} 3\n'
    )
