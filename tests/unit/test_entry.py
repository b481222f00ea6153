from typing import get_args

import pytest

from kalender.domain.entry import (
    AdoptAhead,
    Adopted,
    CreateAhead,
    Created,
    Declined,
    Entry,
    EntryStatus,
    FoundByKey,
    Happening,
    Held,
    ImpossibleHappening,
    NotCarriedOut,
    NotFoundAtAll,
    Plain,
    Refused,
    Renamed,
    Shown,
    Subject,
    Transition,
    after,
    happens,
)
from tests.factories import HOUR, NOW, an_entry

S = EntryStatus
LIVE = an_entry()
SUBJECT = Subject(event_id="2", activity=LIVE.activity, starts_at=NOW, ends_at=NOW + HOUR)
ABOUT = {"event_id": "2", "starts_at": NOW, "ends_at": NOW + HOUR}
KNOWN = {S.LIVE, S.REFUSED, S.DECLINED}
WRITTEN = KNOWN | {S.DELETING}
RECORDED = WRITTEN | {S.INTENDED}
FORMER = {S.ABANDONED, S.RELEASED}


def row(status: EntryStatus) -> Entry:
    if status in FORMER | {S.INTENDED}:
        return LIVE._replace(status=status, item_id=None, change_key=None)
    return LIVE._replace(status=status, held_by="all")


TABLE: list[tuple[Happening, set[EntryStatus], dict[str, object]]] = [
    (Plain.UPDATE_AHEAD, KNOWN, {"fingerprint": None}),
    (Plain.DELETE_AHEAD, WRITTEN, {"status": S.DELETING, "held_by": None}),
    (
        Created(item_id="i", change_key="k"),
        {S.INTENDED},
        {"status": S.LIVE, "item_id": "i", "change_key": "k"},
    ),
    (
        Shown(subject=SUBJECT, fingerprint="f", change_key="k"),
        KNOWN,
        ABOUT | {"status": S.LIVE, "fingerprint": "f", "held_by": None, "change_key": "k"},
    ),
    (
        NotCarriedOut(before=LIVE),
        WRITTEN,
        {"status": S.LIVE, "fingerprint": LIVE.fingerprint, "held_by": None},
    ),
    (Plain.UNANSWERED, RECORDED, {}),
    (Refused(fingerprint="f"), KNOWN | {S.INTENDED}, {"status": S.REFUSED, "fingerprint": "f"}),
    (
        Plain.NOT_FOUND_BY_KEY,
        RECORDED,
        {"status": S.ABANDONED, "item_id": None, "held_by": None},
    ),
    (Declined(still_there=True), WRITTEN, {"status": S.DECLINED}),
    (Declined(still_there=False), WRITTEN, {"status": S.DECLINED, "item_id": None}),
    (Held(scope="course"), WRITTEN, {"held_by": "course"}),
    (Plain.FREED, WRITTEN, {"held_by": None}),
    (Renamed(subject=SUBJECT), KNOWN, ABOUT),
    (
        Plain.LEFT_TO_USER,
        WRITTEN | {S.ABANDONED},
        {"status": S.RELEASED, "item_id": None, "held_by": None},
    ),
]


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize(("happening", "statuses", "changes"), TABLE)
def test_a_happening_changes_what_the_table_says_and_comes_to_no_other_status(
    happening: Happening,
    statuses: set[EntryStatus],
    changes: dict[str, object],
    status: EntryStatus,
) -> None:
    entry = row(status)
    if status in statuses:
        assert after(entry, happening) == Entry(**entry._asdict() | changes)
    else:
        with pytest.raises(ImpossibleHappening):
            after(entry, happening)


@pytest.mark.parametrize("status", S)
def test_what_was_found_is_known_only_where_it_was_intended_declined_or_has_ended(
    status: EntryStatus,
) -> None:
    entry, found = row(status), FoundByKey(item_id="i", change_key="k")
    place = entry._replace(item_id="i", change_key="k")
    unknown = place._replace(status=S.LIVE, fingerprint=None)
    intended = place._replace(status=S.LIVE, change_key="")
    expected = {S.INTENDED: intended, S.DECLINED: place, S.ABANDONED: None}
    over = FoundByKey(item_id="i", change_key="k", ended=True)
    if status in FORMER:
        with pytest.raises(ImpossibleHappening):
            after(entry, found)
        return
    assert after(entry, found) == expected.get(status, unknown)
    assert after(entry, over) == (place if status in KNOWN else expected.get(status, unknown))


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("status", sorted(RECORDED))
def test_what_a_search_of_everything_lacks_is_abandoned_unless_declined_or_ended(
    status: EntryStatus, *, ended: bool
) -> None:
    entry = row(status)
    gone = entry._replace(status=S.ABANDONED, item_id=None, held_by=None)
    expected = entry if ended and status in KNOWN else gone
    if status is S.DECLINED:
        expected = entry._replace(item_id=None)
    assert after(entry, NotFoundAtAll(ended=ended)) == expected


def test_a_create_that_was_certainly_not_carried_out_leaves_no_record() -> None:
    ahead = CreateAhead(sync_key="2#0", subject=SUBJECT, fingerprint="f")
    intended = after(None, ahead)
    assert intended == Entry(
        "2#0", "2", LIVE.activity, S.INTENDED, NOW, NOW + HOUR, fingerprint="f"
    )
    assert after(intended, NotCarriedOut(before=None)) is None
    for entry in map(row, S):
        with pytest.raises(ImpossibleHappening):
            after(entry, ahead)


@pytest.mark.parametrize("status", S)
def test_only_a_delete_written_ahead_can_be_taken(status: EntryStatus) -> None:
    if status is S.DELETING:
        assert after(row(status), Plain.DELETED) is None
    else:
        with pytest.raises(ImpossibleHappening):
            after(row(status), Plain.DELETED)


@pytest.mark.parametrize("status", S)
def test_only_what_is_not_in_the_calendar_and_not_intended_is_forgotten(
    status: EntryStatus,
) -> None:
    away = row(status)._replace(item_id=None)
    if status not in {S.INTENDED, S.RELEASED}:
        assert after(away, Plain.FORGOTTEN) is None
    with pytest.raises(ImpossibleHappening):
        after(away._replace(status=S.INTENDED), Plain.FORGOTTEN)
    with pytest.raises(ImpossibleHappening):
        after(away._replace(status=S.RELEASED), Plain.FORGOTTEN)
    with pytest.raises(ImpossibleHappening):
        after(away._replace(item_id="i"), Plain.FORGOTTEN)


@pytest.mark.parametrize("status", S)
def test_only_a_live_entry_of_unknown_content_is_frozen(status: EntryStatus) -> None:
    unknown = row(status)._replace(fingerprint=None)
    if status is S.LIVE:
        assert after(unknown, Plain.FROZEN) == unknown._replace(fingerprint="")
    else:
        with pytest.raises(ImpossibleHappening):
            after(unknown, Plain.FROZEN)
    with pytest.raises(ImpossibleHappening):
        after(row(status), Plain.FROZEN)


@pytest.mark.parametrize("status", [None, *S])
def test_only_what_has_no_standing_record_is_adopted(status: EntryStatus | None) -> None:
    happening = Adopted(sync_key="2#0", subject=SUBJECT, item_id="i", change_key="k", ended=False)
    before = None if status is None else row(status)
    if before is None or before.status is S.ABANDONED:
        adopted = after(before, happening)
        assert adopted is not None
        assert (adopted.status, adopted.item_id, adopted.fingerprint) == (S.LIVE, "i", None)
        assert adopted.open
    else:
        with pytest.raises(ImpossibleHappening):
            after(before, happening)


def test_nothing_but_a_create_and_an_adoption_happens_to_what_has_no_record() -> None:
    for happening in [case[0] for case in TABLE]:
        with pytest.raises(ImpossibleHappening):
            after(None, happening)


def test_only_an_unanswered_create_that_is_abandoned_is_given_up() -> None:
    cases: list[tuple[EntryStatus, Happening]] = [
        *((status, Plain.NOT_FOUND_BY_KEY) for status in RECORDED),
        *((status, NotFoundAtAll(ended=False)) for status in RECORDED),
        *((status, Plain.LEFT_TO_USER) for status in WRITTEN),
    ]
    for status, happening in cases:
        transition = happens(row(status), happening)
        assert transition.gives_up_a_create is (status is S.INTENDED)
    assert not Transition(row(S.INTENDED), None).gives_up_a_create
    assert not Transition(None, row(S.INTENDED)).gives_up_a_create
    assert not happens(row(S.INTENDED), Plain.UNANSWERED).gives_up_a_create


def test_what_is_about_to_be_adopted_is_intended_where_it_stands() -> None:
    ahead = AdoptAhead(
        sync_key="2#0", subject=SUBJECT, fingerprint="f", item_id="i", change_key="c"
    )
    adopted = after(None, ahead)
    assert adopted is not None
    assert (adopted.status, adopted.item_id, adopted.change_key) == (S.INTENDED, "i", "c")
    assert adopted.open
    given_up = happens(adopted, Plain.NOT_FOUND_BY_KEY)
    assert not given_up.gives_up_a_create  # its item is known: no search can have missed it
    with pytest.raises(ImpossibleHappening):
        after(row(S.LIVE), ahead)


def test_every_kind_of_happening_is_tested_here() -> None:
    elsewhere = {CreateAhead, AdoptAhead, FoundByKey, NotFoundAtAll, Adopted}
    assert {type(case[0]) for case in TABLE} | elsewhere == set(get_args(Happening))
