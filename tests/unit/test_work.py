"""Keys of work, and causes: written and read in one place."""

import pytest

from kalender.domain.model import CourseKey
from kalender.domain.work import EVERY_SEMESTER, Cause, Kind, Lane, Mark, Trigger, WorkKey


def test_a_key_is_read_as_it_was_written() -> None:
    assert WorkKey.of_course("IN1000", "25h").course == CourseKey("IN1000", "25h")
    assert WorkKey.of_course("IN1000", None).course == CourseKey("IN1000", EVERY_SEMESTER)
    assert WorkKey.of_person(56154).fs_number == 56154
    assert WorkKey.of_person(56154).username is None
    assert WorkKey.of_account("olan").username == "olan"
    assert WorkKey.of_account("olan").fs_number is None
    assert WorkKey.of_identity("fs", "7") == WorkKey.of_person(7)
    assert WorkKey.of_account("ola n").identity == ("username", "ola n")
    assert WorkKey.of_calendar(20).calendar_id == 20


def test_keys_stay_as_they_are_in_databases() -> None:
    assert WorkKey.of_course("IN1000", "25h") == (Kind.COURSE, "IN1000 25h")
    assert WorkKey.of_course("IN1000", None) == (Kind.COURSE, "IN1000 *")
    assert WorkKey.of_person(7) == (Kind.PERSON, "fs 7")
    assert WorkKey.of_account("olan") == (Kind.PERSON, "username olan")
    assert WorkKey.of_calendar(20) == (Kind.CALENDAR, "20")


def test_a_mark_takes_all_that_led_to_it_along() -> None:
    trigger = Trigger("resync", Cause.RESYNC, Lane.RESYNC)
    mark = Mark.of(WorkKey.of_calendar(20), trigger)
    assert (mark.reason, mark.cause, mark.lane, mark.since) == trigger
    assert (mark.kind, mark.key, mark.due_at) == (Kind.CALENDAR, "20", None)


@pytest.mark.parametrize("stored", [None, "of a newer release"])
def test_a_cause_that_is_not_known_is_another(stored: str | None) -> None:
    assert Cause.of(stored) is Cause.OTHER


def test_only_what_somebody_told_has_a_source() -> None:
    sources = {cause: cause.source for cause in Cause if cause.source}
    assert sources == {
        Cause.FS_NOTIFICATION: "fs",
        Cause.TP_NOTIFICATION: "tp",
        Cause.TP_POLL: "tp poll",
    }
