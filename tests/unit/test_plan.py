from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from kalender.domain.entry import Entry, EntryStatus
from kalender.domain.plan import DesiredEntry, Plan, make_plan
from kalender.domain.render import FIELDS
from tests.factories import DAY, HOUR, NOW, a_wanted, an_entry, an_event

EVERY = frozenset(FIELDS)


def plan(
    wanted: Sequence[DesiredEntry] = (), entries: Sequence[Entry] = (), ended: Sequence[Entry] = ()
) -> Plan:
    return make_plan(wanted, entries, ended)


def wanted(event_id: str = "1", **fields: Any) -> DesiredEntry:
    return a_wanted(an_event(event_id, **fields))


def keep_only(event_id: str = "1", **fields: Any) -> DesiredEntry:
    return a_wanted(an_event(event_id, **fields), keep_only=True)


def moves(made: Plan) -> dict[str, str]:
    """Which entry (by sync key) is updated to show which event."""
    return {each.entry.sync_key: each.desired.event.event_id for each in made.updates}


# -- what is not there, what is, and what should not be --------------------------------------------


def test_an_event_without_an_entry_is_created() -> None:
    made = plan([wanted()])
    assert [each.desired for each in made.creates] == [wanted()]


def test_an_entry_without_an_event_is_deleted() -> None:
    assert [each.entry for each in plan((), [an_entry()]).deletes] == [an_entry()]


def asks_for_nothing(made: Plan) -> bool:
    """Whether a plan needs no request."""
    return not (made.creates or made.updates or made.deletes)


def test_a_right_calendar_needs_nothing() -> None:
    assert plan([wanted()], [an_entry()]) == Plan()
    assert asks_for_nothing(Plan())


def test_only_what_differs_is_updated() -> None:
    (update,) = plan([wanted(title="New")], [an_entry()]).updates
    assert update.fields == {"subject", "body"}


def test_of_unknown_content_everything_is_written_again() -> None:
    (update,) = plan([wanted()], [an_entry(fingerprint=None)]).updates
    assert update.fields == EVERY


# -- moves -----------------------------------------------------------------------------------------


def test_a_move_under_the_same_id_is_an_update() -> None:
    (update,) = plan([wanted(starts=NOW + 3 * DAY)], [an_entry()]).updates
    assert update.fields == {"time"}


def test_a_move_under_a_new_id_is_an_update_of_the_same_entry() -> None:
    made = plan([wanted("2", starts=NOW + 3 * DAY)], [an_entry()])
    assert moves(made) == {"1#0": "2"}
    assert made == replace(Plan(), updates=made.updates)


def test_a_new_id_alone_needs_no_request() -> None:
    made = plan([wanted("2")], [an_entry()])
    assert asks_for_nothing(made)
    assert made.renamed == ((an_entry(), wanted("2")),)


def test_a_new_activity_alone_is_recorded_so_that_later_moves_are_seen() -> None:
    moved = wanted(course="IN1000", actid="7")
    made = plan([moved], [an_entry()])
    assert asks_for_nothing(made)
    assert made.renamed == ((an_entry(), moved),)


def test_another_activity_is_no_move() -> None:
    made = plan([wanted("2", actid="2")], [an_entry()])
    assert (len(made.creates), len(made.deletes)) == (1, 1)


def test_leftovers_pair_within_the_week_first_and_then_by_time() -> None:
    friday, monday = NOW + 4 * DAY, NOW + 7 * DAY
    entries = [an_entry(wanted("mon", starts=NOW)), an_entry(wanted("next", starts=monday))]
    made = plan([wanted("fri", starts=friday), wanted("late", starts=monday + DAY)], entries)
    assert moves(made) == {"mon#0": "fri", "next#0": "late"}


def test_the_nearest_follows_and_the_rest_goes() -> None:
    entries = [an_entry(wanted("far", starts=NOW + 3 * DAY)), an_entry()]
    made = plan([wanted("2", starts=NOW + DAY + HOUR)], entries)
    assert moves(made) == {"1#0": "2"}
    assert [each.entry.sync_key for each in made.deletes] == ["far#0"]


def test_the_own_event_is_preferred_to_a_nearer_one() -> None:
    made = plan([wanted("1", starts=NOW + 6 * DAY), wanted("2")], [an_entry()])
    assert moves(made) == {"1#0": "1"}
    assert [each.desired.event.event_id for each in made.creates] == ["2"]


# -- standing only ---------------------------------------------------------------------------------


def test_what_only_stands_is_not_created_but_kept_and_followed() -> None:
    assert plan([keep_only()]) == Plan()
    assert plan([keep_only()], [an_entry()]) == Plan()
    assert moves(plan([keep_only("2", starts=NOW + 2 * DAY)], [an_entry()])) == {"1#0": "2"}


# -- what has ended --------------------------------------------------------------------------------


def test_what_has_ended_is_not_touched() -> None:
    ended = an_entry(wanted(starts=NOW - 3 * HOUR))
    assert plan([wanted("2")], (), [ended]).creates[0].desired == wanted("2")
    assert plan((), (), [ended]) == Plan()


def test_what_an_ended_entry_shows_is_not_created_again() -> None:
    past = wanted(starts=NOW - 3 * HOUR)
    assert plan([past], (), [an_entry(past)]) == Plan()
    assert plan([wanted("new id", starts=NOW - 3 * HOUR)], (), [an_entry(past)]) == Plan()


def test_an_event_that_moves_out_of_the_past_is_created_anew() -> None:
    ended = an_entry(wanted(starts=NOW - 3 * HOUR))
    assert len(plan([wanted()], (), [ended]).creates) == 1


def test_an_entry_that_ends_while_held_is_held_no_more() -> None:
    ended = an_entry(held_by="institution")
    assert plan((), (), [ended]).freed == (ended,)


# -- held ------------------------------------------------------------------------------------------


def test_what_is_held_and_desired_again_is_freed() -> None:
    held = an_entry(held_by="institution")
    made = plan([wanted()], [held])
    assert asks_for_nothing(made)
    assert made.freed == (held,)


def test_what_is_held_and_not_desired_is_still_to_be_deleted() -> None:
    held = an_entry(held_by="institution")
    assert [each.entry for each in plan((), [held]).deletes] == [held]
    assert not plan((), [held]).freed


# -- deleting, refused, declined -------------------------------------------------------------------


def test_an_open_delete_is_repeated_and_what_it_showed_is_created_if_desired() -> None:
    entry = an_entry(status=EntryStatus.DELETING)
    made = plan([wanted()], [entry])
    assert [each.entry for each in made.deletes] == [entry]
    assert len(made.creates) == 1


NEVER_MADE: dict[str, Any] = {"status": EntryStatus.REFUSED, "item_id": None}


def test_what_exchange_refused_to_create_is_not_tried_again_until_it_changes() -> None:
    refused = an_entry(**NEVER_MADE)
    assert plan([wanted()], [refused]) == Plan()
    made = plan([wanted(title="New")], [refused])
    assert len(made.creates) == 1
    assert made.forgotten == (refused,)


def test_a_refused_record_of_no_event_is_forgotten() -> None:
    refused = an_entry(**NEVER_MADE)
    made = plan((), [refused])
    assert asks_for_nothing(made)
    assert made.forgotten == (refused,)


def test_a_refused_update_is_not_tried_again_until_it_changes_and_then_in_full() -> None:
    """What stands there is older than what was refused, so its fingerprint tells nothing."""
    refused = an_entry(wanted(title="Refused"), status=EntryStatus.REFUSED)
    assert plan([wanted(title="Refused")], [refused]) == Plan()
    (update,) = plan([wanted(title="Refused", starts=NOW + 2 * DAY)], [refused]).updates
    assert update.fields == EVERY


def test_what_refused_an_update_still_moves_and_still_goes() -> None:
    refused = an_entry(status=EntryStatus.REFUSED)
    assert moves(plan([wanted("2", starts=NOW + 2 * DAY)], [refused])) == {"1#0": "2"}
    assert [each.entry for each in plan((), [refused]).deletes] == [refused]


@pytest.mark.parametrize("item_id", ["item", None])
def test_what_was_declined_is_left_alone_until_its_event_changes(item_id: str | None) -> None:
    same = wanted()
    declined = an_entry(status=EntryStatus.DECLINED, item_id=item_id, fingerprint=same.fingerprint)
    assert plan([same], [declined]) == Plan()
    later = plan([wanted(starts=NOW + 2 * DAY)], [declined])
    if item_id is None:
        assert len(later.creates) == 1
        assert later.forgotten == (declined,)
    else:
        (update,) = later.updates
        assert update.entry == declined
    gone = plan([], [declined])
    assert [each.entry for each in gone.deletes] == ([declined] if item_id else [])


def test_what_was_taken_away_too_often_does_not_come_back_for_a_new_title() -> None:
    gone = an_entry(status=EntryStatus.DECLINED, item_id=None, fingerprint=wanted().fingerprint)
    assert plan([wanted(title="New")], [gone]) == Plan()


def test_a_create_of_unknown_outcome_is_neither_deleted_nor_forgotten() -> None:
    intended = an_entry(status=EntryStatus.INTENDED, item_id=None)
    assert plan((), [intended]) == Plan()


# -- open ------------------------------------------------------------------------------------------


def test_open_is_what_may_or_may_not_have_happened() -> None:
    live = an_entry()
    assert not live.open
    assert live._replace(fingerprint=None).open
    assert live._replace(status=EntryStatus.INTENDED).open
    assert live._replace(status=EntryStatus.DELETING).open
    assert not live._replace(status=EntryStatus.DECLINED, fingerprint=None).open
