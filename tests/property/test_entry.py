"""No sequence of happenings leaves the table, and none leaves two live entries for one event."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.entry import (
    FORMER,
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
    st.builds(Declined, still_there=st.booleans()),
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
        if entry.status is EntryStatus.INTENDED or entry.status in FORMER:
            assert entry.item_id is None
            assert entry.held_by is None
        if entry.status in (EntryStatus.LIVE, EntryStatus.DELETING):
            assert entry.item_id is not None


class Calendar:
    """A calendar, its records, and visits that write as the protocol says: look up, then plan.

    Between visits its user deletes entries and edits them, and TP gives events other ids. What is
    created `late` is seen by no search until `appears`; a second look comes some time after that.
    """

    def __init__(self) -> None:
        self.items: dict[str, str] = {}  # key -> what the item says: "f" as we write it, or "user"
        self.late: set[str] = set()  # keys of items that no search sees yet
        self.records: dict[str, Entry] = {}
        self.keys = 0

    def happen(self, key: str, happening: Happening) -> None:
        entry = after(self.records.get(key), happening)
        self.records.pop(key, None)
        if entry is not None:
            self.records[key] = entry

    def look_up(self, statuses: set[EntryStatus]) -> None:
        for key in [k for k, entry in self.records.items() if entry.status in statuses]:
            if key in self.items.keys() - self.late:
                self.happen(key, FoundByKey(item_id=key, change_key=self.items[key]))
            else:
                self.happen(key, Plain.NOT_FOUND_BY_KEY)

    def look_again(self) -> None:
        """Look once more for creates that nobody answered; what turns up goes by the next visit."""
        for key, entry in list(self.records.items()):
            is_never_seen = entry.status is EntryStatus.ABANDONED and entry.change_key is None
            if not is_never_seen or key not in self.items.keys() - self.late:
                continue
            if self.items[key] == "user":
                self.happen(key, Plain.LEFT_TO_USER)
            else:
                subject = next(s for s in SUBJECTS if s.event_id == entry.event_id)
                ref = {"item_id": key, "change_key": self.items[key]}
                late = Adopted(sync_key=key, subject=subject, **ref, ended=False, goes=True)
                self.happen(key, late)

    def appears(self) -> None:
        """Let every search see everything from now on."""
        self.late.clear()

    # -- what its user and TP do -----------------------------------------------------------------

    def user_deletes(self, subject: Subject) -> None:
        for key in [k for k in self.items if self.shows(k, subject)]:
            del self.items[key]

    def user_edits(self, subject: Subject) -> None:
        self.items |= {key: "user" for key in self.items if self.shows(key, subject)}

    def shows(self, key: str, subject: Subject) -> bool:
        return key in self.records and self.records[key].event_id == subject.event_id

    # -- visits ----------------------------------------------------------------------------------

    def visit(self, wanted: set[str], outcome: str, *, puts_back: bool = True) -> None:
        self.look_up({EntryStatus.INTENDED})
        self.verify(puts_back=puts_back)
        self.rename(wanted)
        for key, entry in list(self.records.items()):
            is_standing = entry.status not in FORMER
            if is_standing and entry.item_id is None and entry.event_id not in wanted:
                self.happen(key, Plain.FORGOTTEN)
        taken = {
            entry.event_id
            for entry in self.records.values()
            if entry.status in (EntryStatus.LIVE, EntryStatus.REFUSED, EntryStatus.DECLINED)
        }
        for subject in SUBJECTS:
            if subject.event_id in wanted - taken:
                self.create(subject, outcome)
        for key, entry in list(self.records.items()):
            goes = entry.event_id not in wanted or entry.status is EntryStatus.DELETING
            if goes and entry.item_id is not None:
                self.delete(key, entry, outcome)
            elif entry.status is EntryStatus.LIVE and entry.fingerprint is None:
                self.update(key, entry, outcome)

    def verify(self, *, puts_back: bool) -> None:
        """Look into the calendar: what is gone is made anew or declined, what differs is open."""
        live = [(k, e) for k, e in self.records.items() if e.status is EntryStatus.LIVE]
        for key, entry in live:
            if key not in self.items:
                left = Declined(still_there=False)
                self.happen(key, Plain.NOT_FOUND_BY_KEY if puts_back else left)
            elif entry.change_key != self.items[key]:
                found = FoundByKey(item_id=key, change_key=self.items[key])
                self.happen(key, found)

    def rename(self, wanted: set[str]) -> None:
        """A lone event takes over a lone entry: TP gave the event another id."""
        live = {e.event_id: k for k, e in self.records.items() if e.status is EntryStatus.LIVE}
        known = {e.event_id for e in self.records.values() if e.status not in FORMER}
        lone_events = [s for s in SUBJECTS if s.event_id in wanted - known]
        lone_keys = [key for event, key in sorted(live.items()) if event not in wanted]
        for subject, key in zip(lone_events, lone_keys, strict=False):
            self.happen(key, Renamed(subject=subject))

    def create(self, subject: Subject, outcome: str) -> None:
        self.keys += 1
        key = f"{subject.event_id}#{self.keys}"
        self.happen(key, CreateAhead(sync_key=key, subject=subject, fingerprint="f"))
        if outcome in ("done", "lost after", "seen late"):
            self.items[key] = "f"
            self.late |= {key} if outcome == "seen late" else set()
        answers: dict[str, Happening] = {
            "done": Created(item_id=key, change_key="f"),
            "not sent": NotCarriedOut(before=None),
            "refused": Refused(fingerprint="f"),
        }
        self.happen(key, answers.get(outcome, Plain.UNANSWERED))

    def update(self, key: str, before: Entry, outcome: str) -> None:
        self.happen(key, Plain.UPDATE_AHEAD)
        if outcome in ("done", "lost after"):
            self.items[key] = "f"
        subject = next(s for s in SUBJECTS if s.event_id == before.event_id)
        answers: dict[str, Happening] = {
            "done": Shown(subject=subject, fingerprint="f", change_key="f"),
            "not sent": NotCarriedOut(before=before),
            "refused": Refused(fingerprint="f"),
        }
        self.happen(key, answers.get(outcome, Plain.UNANSWERED))

    def delete(self, key: str, before: Entry, outcome: str) -> None:
        if key not in self.items:  # it is read before it is deleted
            return self.happen(key, Plain.NOT_FOUND_BY_KEY)
        self.happen(key, Plain.DELETE_AHEAD)
        if outcome in ("done", "lost after"):
            del self.items[key]
        answers: dict[str, Happening] = {
            "done": Plain.DELETED,
            "not sent": NotCarriedOut(before=before),
            "refused": NotCarriedOut(before=before),
        }
        return self.happen(key, answers.get(outcome, Plain.UNANSWERED))


outcomes = st.sampled_from(
    ["done", "not sent", "lost before", "lost after", "seen late", "refused"]
)
steps = st.one_of(
    st.tuples(st.just("visit"), st.sets(st.sampled_from("12")), outcomes, st.booleans()),
    st.tuples(st.just("deletes"), st.sampled_from(SUBJECTS)),
    st.tuples(st.just("edits"), st.sampled_from(SUBJECTS)),
    st.tuples(st.sampled_from(["appears", "looks again"])),
)


@given(st.lists(steps, max_size=20), st.sets(st.sampled_from("12")))
def test_no_sequence_of_visits_leaves_two_live_entries_for_one_event(
    sequence: list[tuple[Any, ...]], wanted: set[str]
) -> None:
    calendar = Calendar()
    for what, *details in sequence:
        if what == "visit":
            calendar.visit(details[0], details[1], puts_back=details[2])
        elif what == "deletes":
            calendar.user_deletes(*details)
        elif what == "edits":
            calendar.user_edits(*details)
        elif what == "appears":
            calendar.appears()
        else:
            calendar.look_again()
        live = [e.event_id for e in calendar.records.values() if e.status is EntryStatus.LIVE]
        assert len(live) == len(set(live))
    calendar.visit(set(), "done")
    calendar.appears()
    calendar.look_again()
    calendar.visit(set(), "done")
    touched = {k: says for k, says in calendar.items.items() if says == "user"}
    assert {k: calendar.records[k].status for k in touched} == dict.fromkeys(
        touched, EntryStatus.RELEASED
    )
    assert calendar.items == touched  # whatever happened, everything of ours can be taken away
    calendar.visit(wanted, "done")
    ours = {k: says for k, says in calendar.items.items() if k not in touched}
    assert sorted(key.partition("#")[0] for key in ours) == sorted(wanted)
    assert set(ours.values()) <= {"f"}
