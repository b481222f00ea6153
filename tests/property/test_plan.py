"""The laws of a plan, over calendars in any state: applied, it gives exactly what is wanted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.entry import Entry, EntryStatus
from kalender.domain.plan import DesiredEntry, Plan, make_plan
from kalender.domain.render import FIELDS
from tests.factories import DAY, HOUR, NOW, a_wanted, an_entry, an_event

STARTS = st.integers(1, 20).map(lambda half_days: NOW + half_days * DAY / 2)
EVENTS = st.builds(
    an_event,
    st.sampled_from("abcdefgh"),
    actid=st.sampled_from("12"),
    starts=STARTS,
    title=st.sampled_from(["", "One", "Two"]),
)
WANTED = st.lists(
    st.builds(a_wanted, EVENTS, keep_only=st.sampled_from([False, False, True])),
    unique_by=lambda each: each.event.event_id,
    max_size=8,
)
STATUSES = [*[EntryStatus.LIVE] * 4, EntryStatus.REFUSED, EntryStatus.DECLINED]
STATUSES += [EntryStatus.DELETING]


@st.composite
def entries(draw: st.DrawFn, prefix: str = "k") -> list[Entry]:
    """Records as they may stand: also two of one event, and some of unknown content."""
    found = []
    for number, event in enumerate(draw(st.lists(EVENTS, max_size=8))):
        status = draw(st.sampled_from(STATUSES))
        fields: dict[str, Any] = {"sync_key": f"{prefix}{number}", "status": status}
        if status is EntryStatus.LIVE and draw(st.booleans()):
            fields["fingerprint"] = None
        if status is EntryStatus.REFUSED and draw(st.booleans()):
            fields["item_id"] = None
        if draw(st.booleans()):
            fields["held_by"] = "institution"
        found.append(an_entry(a_wanted(event), **fields))
    return found


def applied(plan: Plan, before: Sequence[Entry]) -> dict[str, Entry]:
    """What is recorded once all of a plan was carried out, by sync key."""
    gone = {each.entry.sync_key for each in plan.deletes}
    gone |= {each.sync_key for each in plan.forgotten}
    after = {each.sync_key: each for each in before if each.sync_key not in gone}
    for entry, each in [(u.entry, u.desired) for u in plan.updates]:
        after[entry.sync_key] = shown(entry, each, status=EntryStatus.LIVE, held_by=None)
    for entry, each in plan.renamed:
        after[entry.sync_key] = shown(entry, each, fingerprint=entry.fingerprint)
    for entry in plan.freed:
        if entry.sync_key in after:
            after[entry.sync_key] = after[entry.sync_key]._replace(held_by=None)
    for number, create in enumerate(plan.creates):
        made = an_entry(create.desired, sync_key=f"new{number}")
        after[made.sync_key] = made
    return after


def shown(entry: Entry, wanted: DesiredEntry, **fields: Any) -> Entry:
    says = an_entry(wanted, sync_key=entry.sync_key)
    kept = {"status": entry.status, "item_id": entry.item_id, "held_by": entry.held_by}
    return says._replace(**{**kept, **fields})


@given(WANTED, entries())
def test_applied_a_plan_gives_exactly_what_is_wanted(
    wanted: list[DesiredEntry], before: list[Entry]
) -> None:
    after = applied(make_plan(wanted, before, ()), before)
    had = Counter(entry.event_id for entry in after.values())
    must = {each.event.event_id for each in wanted if not each.event.keep_only}
    may = {each.event.event_id for each in wanted}
    assert must <= had.keys() <= may
    assert all(count == 1 for count in had.values())
    content = {each.event.event_id: each.fingerprint for each in wanted}
    for entry in after.values():
        assert entry.status is EntryStatus.DECLINED or entry.fingerprint == content[entry.event_id]
        assert entry.held_by is None


@given(WANTED, entries())
def test_a_right_calendar_needs_nothing(wanted: list[DesiredEntry], before: list[Entry]) -> None:
    after = applied(make_plan(wanted, before, ()), before)
    assert make_plan(wanted, list(after.values()), ()) == Plan()


@given(WANTED, entries(), entries(prefix="ended"), st.randoms())
def test_the_same_in_any_order_is_the_same_plan(
    wanted: list[DesiredEntry], before: list[Entry], ended: list[Entry], order: Any
) -> None:
    plan = make_plan(wanted, before, ended)
    for each in (wanted, before, ended):
        order.shuffle(each)
    assert make_plan(wanted, before, ended) == plan


@given(WANTED, entries())
def test_an_entry_follows_wherever_one_of_its_activity_is_left(
    wanted: list[DesiredEntry], before: list[Entry]
) -> None:
    plan = make_plan(wanted, before, ())
    created = {each.desired.event.teaching.activity for each in plan.creates}
    movable = [each.entry for each in plan.deletes if each.entry.status is EntryStatus.LIVE]
    assert created.isdisjoint(entry.activity for entry in movable)


@given(WANTED, entries())
def test_every_entry_has_one_fate_and_every_event_one_entry(
    wanted: list[DesiredEntry], before: list[Entry]
) -> None:
    plan = make_plan(wanted, before, ())
    fates = [each.entry.sync_key for each in plan.updates]
    fates += [each.entry.sync_key for each in plan.deletes]
    fates += [entry.sync_key for entry, _ in plan.renamed]
    fates += [entry.sync_key for entry in plan.forgotten]
    assert len(fates) == len(set(fates))
    shows = [each.desired.event.event_id for each in plan.updates]
    shows += [each.desired.event.event_id for each in plan.creates]
    shows += [each.event.event_id for _, each in plan.renamed]
    assert len(shows) == len(set(shows))
    assert not any(each.desired.event.keep_only for each in plan.creates)


@given(WANTED, entries(), entries(prefix="ended"))
def test_what_has_ended_is_never_touched_and_never_matched(
    wanted: list[DesiredEntry], before: list[Entry], ended: list[Entry]
) -> None:
    plan = make_plan(wanted, before, ended)
    touched = {each.entry.sync_key for each in plan.updates}
    touched |= {each.entry.sync_key for each in plan.deletes}
    touched |= {entry.sync_key for entry, _ in plan.renamed}
    touched |= {entry.sync_key for entry in plan.forgotten}
    assert not any(key.startswith("ended") for key in touched)
    shown_already = {(entry.event_id, entry.starts_at) for entry in ended}
    assert shown_already.isdisjoint(
        (each.desired.event.event_id, each.desired.content.starts_at) for each in plan.creates
    )


@given(WANTED, entries())
def test_an_update_names_fields_and_only_those_there_are(
    wanted: list[DesiredEntry], before: list[Entry]
) -> None:
    for update in make_plan(wanted, before, ()).updates:
        assert update.fields
        assert update.fields <= set(FIELDS)
        if update.entry.fingerprint is None:
            assert update.fields == set(FIELDS)


@given(EVENTS, st.integers(-40, 40))
def test_a_single_move_is_always_an_update(event: Any, hours: int) -> None:
    moved = replace(
        event,
        event_id="new",
        starts_at=event.starts_at + hours * HOUR,
        ends_at=event.ends_at + hours * HOUR,
    )
    plan = make_plan([a_wanted(moved)], [an_entry(a_wanted(event))], ())
    assert plan == replace(plan, creates=(), deletes=())
    assert len(plan.updates) == bool(hours)
