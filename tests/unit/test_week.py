"""A week as day columns: what overlaps stands beside each other, whatever else there is."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from kalender.operate.shown import EntryStanding, ShownEntry
from kalender.operate.week import Block, WeekDay, draw, monday_of, week_of

OSLO = ZoneInfo("Europe/Oslo")
MONDAY = date(2025, 8, 18)


def entry(begins: str, ends: str, subject: str = "IN1000 Lecture", **more: object) -> ShownEntry:
    """Return an entry by local times such as `2025-08-18T10:15`."""
    moments = [
        datetime.fromisoformat(moment).replace(tzinfo=OSLO).astimezone(UTC)
        for moment in (begins, ends)
    ]
    return ShownEntry(starts_at=moments[0], ends_at=moments[1], subject=subject, **more)  # type: ignore[arg-type]


def laid_out(day: WeekDay) -> list[tuple[str, int, int]]:
    return [(block.entry.subject, block.lane, block.lanes) for block in day.blocks]


def test_what_overlaps_stands_beside_each_other_and_all_else_has_the_whole_width() -> None:
    entries = [
        entry("2025-08-18T10:15", "2025-08-18T12:00", "A"),
        entry("2025-08-18T10:15", "2025-08-18T14:00", "B"),
        entry("2025-08-18T12:15", "2025-08-18T13:00", "C"),
        entry("2025-08-18T14:00", "2025-08-18T15:00", "D"),
    ]
    week = week_of(entries, MONDAY, OSLO)
    assert laid_out(week.days[0]) == [("B", 0, 2), ("A", 1, 2), ("C", 1, 2), ("D", 0, 1)]
    assert [len(day.blocks) for day in week.days] == [4, 0, 0, 0, 0]


def test_weekends_and_hours_are_drawn_only_where_something_is_there() -> None:
    plain = week_of([], MONDAY, OSLO)
    assert (len(plain.days), plain.first_hour, plain.last_hour) == (5, 8, 16)
    late = week_of([entry("2025-08-23T07:00", "2025-08-23T19:00")], MONDAY, OSLO)
    assert [day.day.weekday() for day in late.days] == [0, 1, 2, 3, 4, 5]
    assert (late.first_hour, late.last_hour) == (7, 18)


def test_what_goes_past_midnight_is_in_both_days_and_weeks_follow_each_other() -> None:
    night = entry("2025-08-18T23:00", "2025-08-19T01:00")
    week = week_of([night], MONDAY, OSLO)
    assert [(b.begins, b.ends) for day in week.days for b in day.blocks] == [(1380, 1440), (0, 60)]
    assert (week.previous, week.next, week.number) == (date(2025, 8, 11), date(2025, 8, 25), 34)
    assert monday_of(date(2025, 8, 24)) == MONDAY


def test_the_hour_that_autumn_repeats_is_drawn_once() -> None:
    twice = ShownEntry(
        starts_at=datetime(2025, 10, 26, 0, 30, tzinfo=UTC),  # 02:30, the first time
        ends_at=datetime(2025, 10, 26, 1, 15, tzinfo=UTC),  # 02:15, the second time
        subject="Night",
    )
    (sunday,) = [day for day in week_of([twice], date(2025, 10, 20), OSLO).days if day.blocks]
    assert [(block.begins, block.ends) for block in sunday.blocks] == [(150, 150)]


def test_the_drawing_marks_what_comes_and_goes_and_strikes_what_is_cancelled() -> None:
    entries = [
        entry("2025-08-18T10:15", "2025-08-18T12:00", standing=EntryStanding.COMING),
        entry("2025-08-19T10:15", "2025-08-19T12:00", standing=EntryStanding.GOING),
        entry("2025-08-20T10:15", "2025-08-20T12:00", "AVLYST: IN1000 Lecture", cancelled=True),
    ]
    lines = draw(week_of(entries, MONDAY, OSLO)).splitlines()
    (times,) = [line for line in lines if "10.15-12.00" in line]
    assert "10.15-12.00 +" in times
    assert "10.15-12.00 -" in times
    assert any("--IN1000--" in line for line in lines)


MINUTES = st.integers(0, 7 * 24 * 60)


@given(st.lists(st.tuples(MINUTES, st.integers(0, 26 * 60)), max_size=12))
def test_no_two_blocks_of_one_day_stand_on_each_other(spans: list[tuple[int, int]]) -> None:
    midnight = datetime(2025, 8, 18, tzinfo=OSLO)
    entries = [
        ShownEntry(
            starts_at=midnight + timedelta(minutes=begins),
            ends_at=midnight + timedelta(minutes=begins + minutes),
            subject=str(n),
        )
        for n, (begins, minutes) in enumerate(spans)
    ]
    for day in week_of(entries, MONDAY, OSLO).days:
        for block in day.blocks:
            assert 0 <= block.lane < block.lanes
            assert 0 <= block.begins <= block.ends <= 24 * 60
        for n, block in enumerate(day.blocks):
            assert not any(_touch(block, other) for other in day.blocks[n + 1 :])


def _touch(one: Block, other: Block) -> bool:
    same_width = one.lanes == other.lanes
    in_time = one.begins < other.ends and other.begins < one.ends
    return in_time and (one.lane == other.lane or not same_width)
