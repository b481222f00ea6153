"""Sparklines fit 80 columns, rise to their own maximum, and leave gaps where nothing was recorded."""

from datetime import UTC, datetime, timedelta

from kalender.cli.sparklines import sparkline, sparklines
from kalender.store.minutes import GROUPS, Minute

NOON = datetime(2025, 8, 18, 12, 0, tzinfo=UTC)


def test_a_sparkline_rises_to_its_maximum_and_shows_gaps() -> None:
    assert sparkline([0, None, 7, 3.5, 7]) == "▁ █▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([None]) == " "


def test_the_lines_of_a_day_fit_80_columns_and_leave_out_what_was_zero() -> None:
    minutes = [
        Minute(
            at=NOON - timedelta(minutes=number),
            lane=group,
            notifications=123_456 if group == "live" else None,
            written=99_999,
            oldest_seconds=86_399.5,
            p50=None if group == "resync" else 12_345.6,
            p95=0.0,
        )
        for group in GROUPS
        for number in range(600, 1440)
    ]
    lines = list(sparklines(minutes, NOON, UTC))
    assert max(map(len, lines)) <= 80
    assert lines[0] == "last day, from 2025-08-17 12:00 (UTC), and its maximum"
    assert [line[8:23].strip() for line in lines[1:]] == [
        *("notifications", "written", "oldest, s", "p50, s"),
        *("written", "oldest, s", "p50, s"),
        *("written", "oldest, s"),
    ]
    assert lines[1].startswith("live    notifications  ")
    assert lines[2][23:71].count(" ") == 20  # the ten hours of which nobody recorded a minute
    assert list(sparklines([], NOON, UTC)) == []
