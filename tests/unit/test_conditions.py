"""Every condition that there can be is said in every language, on a page and at a terminal."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kalender.domain.render import Language
from kalender.domain.work import Kind, Lane
from kalender.neighbours.breaker import BULK, FOR_EVER, MOVES
from kalender.neighbours.credentials import REFUSALS
from kalender.operate.conditions import WORDS
from kalender.operate.sentence import LANGUAGES, ONE, Sentence
from kalender.operate.status import (
    Brake,
    CalendarTroubles,
    CommonFailure,
    Dead,
    Expectations,
    Figures,
    Fill,
    Listening,
    Neighbour,
    OverdueCourses,
    Parked,
    PausedPlan,
    Process,
    Reading,
    Status,
    UnreadableEvents,
    WatchedCounts,
    Work,
)
from kalender.operate.verdict import Condition, assess
from kalender.store import moves, observations, optouts, scope, takeovers, unreadable
from kalender.web.page import ShownPage, WebRole
from kalender.web.rendering import Templates
from kalender.web.sessions import Sessions
from kalender.web.site import PAGES
from kalender.web.snapshots import Snapshot
from kalender.web.status import values_of

FIGURES = Figures(right=(), requests={}, courses_without_placements=0, minutes=())

NOW = datetime(2025, 9, 1, 12, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
LONG_AGO = NOW - 100 * AN_HOUR
ZONE = ZoneInfo("Europe/Oslo")
EXPECTED = Expectations(
    zone=ZONE,
    rollout_mode="all",
    lists=("never",),
    queues=("fs",),
    lease=AN_HOUR,
    max_reading_age=36 * AN_HOUR,
    secrets={"fs.api_key": date(2025, 9, 10), "tp.api_key": date(2025, 8, 10)},
    semesters=lambda _: frozenset(),
    skips=lambda _: False,
    clock=lambda: NOW,
)
FINE = Status(
    moment=NOW,
    database_in_doubt=False,
    quiet_for=timedelta(),
    recovered_at=None,
    work=(),
    parked=(),
    common_failure=None,
    unfinished_seconds={},
    neighbours=(),
    brakes=(),
    lists=(),
    processes=(),
    dead=(),
    listening=Listening(lives=False, seen_at=None),
    unseen_queues=(),
    silence_seconds={},
    calendars=(),
    troubles=CalendarTroubles(
        never_written=0,
        address_closed=0,
        address_clash=0,
        no_mailbox=0,
        mailbox_denied=0,
        refused_entries=0,
    ),
    fill=Fill(written=0, calendars=0),
    moves=moves.MoveCounts(
        living={},
        moved=0,
        followed=0,
        waiting=0,
        unanswered=0,
        announced=0,
        since=None,
    ),
    takeovers=takeovers.TakeoverCounts(calendars={}, entries={}, stopped_since=None),
    paused_plans=(),
    unreadable=(),
    unreadable_events=UnreadableEvents(events=0, courses=0),
    settings_waiting=(),
    reading=Reading(read_at=NOW, could_since=None),
    overdue_courses=OverdueCourses(count=0, asked_at=None),
    certificates={},
    acknowledgements={},
    persons_emptied=0,
    counts=WatchedCounts(
        rejected_last_day=0,
        unpublished_courses=0,
        unreadable_events=0,
        username_clashes=0,
        unmatched_staff=0,
        protected=0,
        opted_out=0,
        personal_languages=0,
    ),
)


def neighbour(name: str, **values: object) -> Neighbour:
    usual = Neighbour(
        name=name,
        failures=0,
        paused_until=None,
        last_error="HTTP 503",
        refused=0,
        held_until=None,
        held_reason="patch night",
        held_by="ola",
        since=LONG_AGO,
    )
    return replace(usual, **values)  # type: ignore[arg-type]


def work(lane: Lane, *, ends_at: datetime | None = None, due: int = 3) -> Work:
    return Work(
        kind=Kind.CALENDAR,
        lane=lane,
        waiting=3,
        claimed=0,
        attempts=0,
        oldest=LONG_AGO,
        due=due,
        due_since=LONG_AGO,
        ends_at=ends_at,
    )


def process(state: str) -> Process:
    return Process(
        worker="host:1",
        kind="worker",
        version="1",
        started_at=LONG_AGO,
        seen_at=LONG_AGO,
        stopped_at=None,
        state=state,  # type: ignore[arg-type]
    )


def wrong(count: int) -> Iterator[Status]:
    """Statuses in which all is wrong that can be at once, each so many times."""
    brakes = [
        Brake(
            scope=f"course IN{number} 25h",
            state="holding",
            reason="too much",
            set_at=LONG_AGO,
            from_at=None,
            until_at=None,
            up_to=None,
            held=1,
            people=1,
        )
        for number in range(count)
    ]
    everything = replace(
        FINE,
        database_in_doubt=True,
        quiet_for=AN_HOUR,
        recovered_at=LONG_AGO,
        work=(work(Lane.LIVE), work(Lane.RESYNC)),
        parked=(Parked(kind=Kind.PERSON, count=count, since=LONG_AGO),),
        common_failure=CommonFailure(count=count, error="HTTP 500", since=LONG_AGO),
        neighbours=[
            neighbour("fs", held_until=FOR_EVER),
            neighbour("tp", paused_until=NOW),
            neighbour("exchange.main", refused=REFUSALS, paused_until=NOW),
            neighbour("exchange.cloud", held_until=NOW + AN_HOUR),
            neighbour(BULK, held_until=FOR_EVER),
            neighbour(MOVES, held_until=NOW + AN_HOUR),
        ],
        brakes=brakes,
        lists=[
            optouts.PersonList(
                name="reserved",
                kind="optout",
                read_at=None,
                names=0,
                unknown=0,
                out=0,
                held=0,
                leaving=0,
                overruled=0,
                problem="No such file",
                problem_since=LONG_AGO,
            )
        ],
        dead=[Dead(kind=kind, count=count, since=LONG_AGO) for kind in ("worker", "listener")],
        listening=Listening(lives=False, seen_at=LONG_AGO),
        unseen_queues=[
            observations.Unseen(queue=name, since=LONG_AGO) for name in (observations.BROKER, "fs")
        ],
        troubles=CalendarTroubles(
            never_written=count,
            address_closed=count,
            address_clash=count,
            no_mailbox=count,
            mailbox_denied=count,
            refused_entries=count,
        ),
        moves=replace(FINE.moves, unanswered=count, since=LONG_AGO),
        takeovers=takeovers.TakeoverCounts(
            calendars={"stopped": count}, entries={}, stopped_since=LONG_AGO
        ),
        paused_plans=[
            PausedPlan(plan_id=number, since=LONG_AGO, reason="too many fail")
            for number in range(count)
        ],
        unreadable=[
            unreadable.Count(
                source=unreadable.FS,
                collection="personroller",
                count=count,
                courses=0,
                since=LONG_AGO,
            )
        ],
        unreadable_events=UnreadableEvents(events=count, courses=count),
        settings_waiting=[
            scope.WaitingSettings(what=what, calendars=count, since=LONG_AGO)
            for what in ("rewrite", "move", "leave")
        ],
        reading=Reading(read_at=LONG_AGO, could_since=None),
        certificates={"exchange.main": NOW + AN_HOUR, "tp": LONG_AGO},
    )
    yield everything
    yield replace(
        everything,
        work=(work(Lane.LIVE, ends_at=NOW + AN_HOUR), work(Lane.FILL, ends_at=NOW + AN_HOUR)),
        fill=Fill(written=1, calendars=3),
        reading=Reading(read_at=None, could_since=LONG_AGO),
    )
    yield replace(
        everything,
        work=(work(Lane.FILL, due=0),),
        fill=Fill(written=1, calendars=3),
        reading=Reading(read_at=NOW, could_since=None),
        overdue_courses=OverdueCourses(count=count, asked_at=LONG_AGO),
    )
    yield FINE
    yield replace(FINE, processes=(process("lives"),))


# -- what is said of them ------------------------------------------------------------------------------

ALIKE = {  # commands, and what is the same word in these languages
    key for key, texts in WORDS.items() if len(set(texts)) == 1 and texts[0].startswith("kalender ")
} | {"command"}
NO_EXPECTATIONS = replace(EXPECTED, lists=(), secrets={}, queues=())
ACKNOWLEDGED = replace(
    FINE,
    parked=(Parked(kind=Kind.PERSON, count=1, since=LONG_AGO),),
    acknowledgements={
        "parked": observations.Acknowledgement(
            condition="parked",
            count=1,
            who="ola",
            reason="known",
            set_at=NOW,
            until_at=NOW + AN_HOUR,
        )
    },
)


def conditions() -> list[Condition]:
    """Every condition that there can be, of one thing and of several."""
    all_is_well = (FINE, replace(FINE, processes=(process("lives"),)), ACKNOWLEDGED)
    found = [assess(status, EXPECTED) for count in (1, 5) for status in wrong(count)]
    found += [assess(status, NO_EXPECTATIONS) for status in all_is_well]
    return [condition for verdict in found for condition in verdict.conditions]


def sentences(of: Sequence[Condition]) -> Iterator[Sentence]:
    """What is said of conditions, with the parts of sentences."""
    for condition in of:
        for said in (condition.because, condition.remedy):
            if said is not None:
                yield said
                yield from (value for value in said.values.values() if isinstance(value, Sentence))


def test_each_condition_says_something_of_its_own_in_each_language() -> None:
    for said in sentences(conditions()):
        texts = [said.said(language) for language in LANGUAGES]
        assert all(texts)
        if said.key not in ALIKE:
            assert len({texts[0], texts[2]}) == len({texts[1], texts[2]}) == 2, said.key


def test_there_are_no_words_that_no_condition_says() -> None:
    """So that the conditions above are all that there are, and each of their cases."""
    used = {said.key for said in sentences(conditions())}
    single = {f"{key}{ONE}" for key in used}
    assert used | (single & WORDS.keys()) == WORDS.keys()


def test_the_same_values_stand_in_the_words_of_each_language() -> None:
    for key, texts in WORDS.items():
        names = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts]
        assert names[0] == names[1] == names[2], key


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_shows_no_condition_in_another_language(language: Language) -> None:
    """What is nevertheless English was recorded so, and is marked as English."""
    sessions = Sessions("key", lasting=AN_HOUR)
    templates = Templates(PAGES, sessions, ZONE)
    marked = set[str]()
    for verdict in [assess(status, EXPECTED) for count in (1, 5) for status in wrong(count)]:
        snapshot = Snapshot(status=FINE, figures=FIGURES, verdict=verdict)
        values = values_of(snapshot, WebRole.OPERATOR)
        shown = ShownPage(template="status.html", values=values)
        page = templates.render(shown, language, None, page="status", path="/")
        text = html.unescape(re.sub(r"<[^>]+>", "", page))
        for condition in verdict.conditions:
            for said in (condition.because, condition.remedy):
                if said is not None:
                    assert said.said(language) in text
                    english = said.said("en")
                    assert (english in text) == (english == said.said(language)), english
        marked |= set(re.findall(r'<span lang="en">(.*?)</span>', page))
        assert page.count('lang="en"') == page.count('<span lang="en">') + (language == "en")
    assert marked == {"HTTP 500", "HTTP 503", "No such file", "too many fail"}
