"""No sequence of happenings leaves the table, and none leaves two live entries for one event."""

from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.entry import (
    Adopted,
    CreateAhead,
    Created,
    Entry,
    EntryStatus,
    FoundByKey,
    Happening,
    Held,
    ImpossibleHappening,
    LeftAsItIs,
    NotCarriedOut,
    NotFoundAtAll,
    Plain,
    Refused,
    Renamed,
    Shown,
    Subject,
    after,
)
from tests.factories import HOUR, NOW, an_entry

ACTIVITY = an_entry().activity
SUBJECTS = [
    Subject(event_id=name, activity=ACTIVITY, starts_at=NOW, ends_at=NOW + HOUR) for name in "12"
]
subjects = st.sampled_from(SUBJECTS)
fingerprints = st.sampled_from(["f", "g"])
ids = st.sampled_from(["i", "j"])
befores = st.builds(
    an_entry,
    status=st.sampled_from([EntryStatus.LIVE, EntryStatus.REFUSED, EntryStatus.DECLINED]),
    fingerprint=st.none() | fingerprints,
)
happenings: st.SearchStrategy[Happening] = st.one_of(
    st.sampled_from(Plain),
    st.builds(CreateAhead, sync_key=st.just("1#0"), subject=subjects, fingerprint=fingerprints),
    st.builds(Created, item_id=ids, change_key=ids),
    st.builds(Shown, subject=subjects, fingerprint=fingerprints, item_id=st.none() | ids),
    st.builds(NotCarriedOut, before=st.none() | befores),
    st.builds(Refused, fingerprint=fingerprints),
    st.builds(FoundByKey, item_id=ids, change_key=ids, ended=st.booleans()),
    st.builds(NotFoundAtAll, ended=st.booleans()),
    st.builds(LeftAsItIs, still_there=st.booleans()),
    st.builds(Held, scope=st.just("all")),
    st.builds(Renamed, subject=subjects),
    st.builds(
        Adopted,
        sync_key=st.just("1#0"),
        subject=subjects,
        item_id=ids,
        change_key=ids,
        ended=st.booleans(),
        goes=st.booleans(),
    ),
)


@given(st.lists(happenings, max_size=30))
def test_no_sequence_of_happenings_leaves_the_table(sequence: list[Happening]) -> None:
    entry: Entry | None = None
    for happening in sequence:
        try:
            entry = after(entry, happening)
        except ImpossibleHappening:
            continue
        if entry is None:
            continue
        assert entry.sync_key == "1#0"
        if entry.status in (EntryStatus.INTENDED, EntryStatus.ABANDONED):
            assert entry.item_id is None
            assert entry.held_by is None
        if entry.status in (EntryStatus.LIVE, EntryStatus.DELETING):
            assert entry.item_id is not None


class Calendar:
    """A calendar, its records, and visits that write as the protocol says: look up, then plan."""

    def __init__(self) -> None:
        self.items: set[str] = set()  # keys that stand in the calendar
        self.records: dict[str, Entry] = {}
        self.keys = 0

    def happen(self, key: str, happening: Happening) -> None:
        entry = after(self.records.get(key), happening)
        self.records.pop(key, None)
        if entry is not None:
            self.records[key] = entry

    def look_up(self, statuses: set[EntryStatus]) -> None:
        for key in [k for k, entry in self.records.items() if entry.status in statuses]:
            if key in self.items:
                self.happen(key, FoundByKey(item_id=key, change_key=key))
            else:
                self.happen(key, Plain.NOT_FOUND_BY_KEY)

    def visit(self, wanted: set[str], outcome: str) -> None:
        self.look_up({EntryStatus.INTENDED})
        showing = {
            entry.event_id for entry in self.records.values() if entry.status is EntryStatus.LIVE
        }
        for subject in SUBJECTS:
            if subject.event_id in wanted - showing:
                self.create(subject, outcome)
        for key, entry in list(self.records.items()):
            goes = entry.event_id not in wanted or entry.status is EntryStatus.DELETING
            if goes and entry.item_id is not None:
                self.delete(key, entry, outcome)

    def create(self, subject: Subject, outcome: str) -> None:
        self.keys += 1
        key = f"{subject.event_id}#{self.keys}"
        self.happen(key, CreateAhead(sync_key=key, subject=subject, fingerprint="f"))
        if outcome in ("done", "lost after"):
            self.items.add(key)
        if outcome == "done":
            self.happen(key, Created(item_id=key, change_key=key))
        elif outcome == "not sent":
            self.happen(key, NotCarriedOut(before=None))
        else:
            self.happen(key, Plain.UNANSWERED)

    def delete(self, key: str, before: Entry, outcome: str) -> None:
        if key not in self.items:  # it is read before it is deleted
            return self.happen(key, Plain.NOT_FOUND_BY_KEY)
        self.happen(key, Plain.DELETE_AHEAD)
        if outcome in ("done", "lost after"):
            self.items.discard(key)
        if outcome == "done":
            self.happen(key, Plain.TAKEN)
        elif outcome == "not sent":
            self.happen(key, NotCarriedOut(before=before))
        else:
            self.happen(key, Plain.UNANSWERED)
        return None


visits = st.tuples(
    st.sets(st.sampled_from("12")),
    st.sampled_from(["done", "not sent", "lost before", "lost after"]),
)


@given(st.lists(visits, max_size=15), st.sets(st.sampled_from("12")))
def test_no_sequence_of_visits_leaves_two_live_entries_for_one_event(
    sequence: list[tuple[set[str], str]], wanted: set[str]
) -> None:
    calendar = Calendar()
    for desired, outcome in sequence:
        calendar.visit(desired, outcome)
        live = [e.event_id for e in calendar.records.values() if e.status is EntryStatus.LIVE]
        assert len(live) == len(set(live))
    calendar.visit(wanted, "done")
    standing = [key.partition("#")[0] for key in calendar.items]
    assert sorted(standing) == sorted(wanted)
