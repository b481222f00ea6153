"""The pages about a person: looking somebody up, their week, and why something is not in it.

The path of a person's page holds the number of a look-up, which is good for an hour and for who
asked. Nobody is shown without one, and no address names anybody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from kalender.domain.timetable import midnight
from kalender.operate import look_ups, releases
from kalender.operate.answers import LANGUAGES
from kalender.operate.answers.speech import SaidCheck, Speech
from kalender.operate.changes import changes
from kalender.operate.look_ups import LookUp
from kalender.operate.person import person_shown
from kalender.operate.question import Question
from kalender.operate.week import Block, Week, monday_of, week_of
from kalender.operate.why import Check, checklist
from kalender.sources.tp_codes import skips
from kalender.store import acts
from kalender.store.acts import Filter
from kalender.web.page import Answer, Page, PageError, PageRequest, Redirect, ShownPage, WebRole
from kalender.web.reading import cursor_of, cursor_text, day_of, instant_of, number_of

COMMAND = "web person"  # under which look-ups are logged
LOOKS = 30  # look-ups on one page
HISTORY = 25  # changes on one page
LONGEST = 255  # letters of what somebody is asked for by


def people(request: PageRequest) -> Answer:
    """Show the form that looks a person up, and who was looked up lately."""
    return _form(request, whom=request.query.get("whom", "")[:LONGEST])


def _form(
    request: PageRequest, *, whom: str = "", reason: str = "", problem: str | None = None
) -> ShownPage:
    before = instant_of(request.query.get("before"))
    with request.site.database.read() as connection:
        rows = acts.looks(connection, Filter(until=before, limit=LOOKS))
    is_operator = request.session.role >= WebRole.OPERATOR
    values = {
        "whom": whom,
        "reason": reason,
        "problem": problem,
        # only operators learn that somebody is protected, and not even they learn who
        "looks": [row for row in rows if is_operator or not row.protected],
        "older": rows[-1].at.isoformat() if len(rows) == LOOKS else None,
    }
    return ShownPage(template="people.html", values=values, status=404 if problem else 200)


def look_up(request: PageRequest) -> Answer:
    """Look a person up for a reason; who is protected is nobody."""
    whom, reason = (request.form.get(name, "").strip() for name in ("whom", "reason"))
    if not reason:
        return _form(request, whom=whom[:LONGEST], problem="people.no_reason")
    number = look_ups.look_somebody_up(
        request.site.database,
        whom[:LONGEST],
        who=request.session.who,
        reason=reason,
        command=COMMAND,
    )
    if number is None:
        return _form(request, whom=whom[:LONGEST], reason=reason, problem="people.unknown")
    return Redirect(path=f"/look-up/{number}")


# -- one person ------------------------------------------------------------------------------------------


def show(request: PageRequest) -> Answer:
    """Show a person who was looked up: their week, what is not well, and what was done."""
    look = look_up_in_path(request)
    app, query = request.site.app, request.query
    today = app.clock().astimezone(app.zone).date()
    monday = monday_of(day_of(query.get("week")) or today)
    course, day = query.get("course", "").strip()[:64], day_of(query.get("day"))
    with request.site.database.read() as connection:
        question = _question(request, connection, look)
        person = person_shown(
            question,
            after=midnight(monday, app.zone),
            before=midnight(monday + timedelta(days=7), app.zone),
        )
        if not person.identities:  # erased meanwhile
            raise PageError(404, "people.no_look_up")
        answers = _said(request, question, person.checks)
        why = _why(request, question.about(course, day)) if course else None
        before = cursor_of(query.get("before"))
        history = changes(
            connection, Filter(person_id=look.person_id, before=before, limit=HISTORY)
        )
        believe = ["believe"] * releases.waits_for_second_look(connection, look.person_id)
        acts_about = acts.acts(connection, Filter(person_id=look.person_id, limit=HISTORY))
    entries = [entry for calendar in person.calendars for entry in calendar.entries]
    week = week_of(entries, monday, app.zone)
    failing = next((answer for answer in answers if answer.first_failing), None)
    # those that make sense now, by their names in `person_wishes`
    wishes = [*believe, "again", "verify", "retry", "in" if person.wishes else "out"]
    values = {
        "look": look,
        "person": person,
        "whom": question.whom,
        "answers": answers,
        "failing": failing,
        "week": week,
        "place": _place(week),
        "today": today,
        "now": app.clock(),
        "this_monday": monday_of(today),
        "many_calendars": len(person.calendars) > 1,
        "course": course,
        "day": query.get("day", "")[:10],
        "bad_day": bool(query.get("day")) and day is None,
        "why": why,
        "history": history,
        "older": cursor_text(history.before),
        "wishes": wishes if request.session.role >= WebRole.OPERATOR else (),
        # that somebody was protected once is told to nobody
        "acts": [act for act in acts_about if not act.protected],
    }
    return ShownPage(template="person.html", values=values)


def look_up_in_path(request: PageRequest) -> LookUp:
    """Return the look-up that the path names; PageError where it is not good for who asks."""
    number = number_of(request.path["number"])
    database, who = request.site.database, request.session.who
    look = None if number is None else look_ups.valid_look_up(database, number, who=who)
    if look is None:
        raise PageError(404, "people.no_look_up")
    return look


def _question(request: PageRequest, connection: Connection, look: LookUp) -> Question:
    app = request.site.app
    return Question(
        connection=connection,
        settings=request.site.settings,
        rollout_mode=app.config.rollout.mode,
        skips=skips(app.config.tp.skip),
        now=app.clock(),
        person_id=look.person_id,
    )


def _said(request: PageRequest, question: Question, checks: Sequence[Check]) -> list[SaidCheck]:
    common = {"whom": question.whom, "course": question.course}
    speech = Speech(words=LANGUAGES[request.language], zone=request.site.app.zone, common=common)
    return [answer for answer in speech.answers(checks) if answer.matters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The answer about a course: its code as it is spelled, and the checks in their order."""

    course: str
    answers: Sequence[SaidCheck]
    first: SaidCheck | None  # that is not so


def _why(request: PageRequest, question: Question) -> Why:
    answers = _said(request, question, checklist(question))
    first = next((answer for answer in answers if answer.first_failing), None)
    return Why(course=question.course, answers=answers, first=first)


# -- the week as a grid ----------------------------------------------------------------------------------

MINUTES = 5  # that a row of the grid stands for
LANES = (1, 2, 3, 4, 6, 12)  # as the style sheet has them
LEAST = 30  # minutes that an entry is high at least, so that it can be read and pointed at
DAY = 24 * 60


def _place(week: Week) -> Callable[[Block], str]:
    """Return what gives a block's classes: where it stands in the grid of the style sheet."""

    def classes(block: Block) -> str:
        begins = min(block.begins, DAY - LEAST)
        ends = min(max(block.ends, begins + LEAST), (week.last_hour + 1) * 60)
        lanes = next((n for n in LANES if n >= block.lanes), LANES[-1])
        lane = min(block.lane, lanes - 1) + 1
        return " ".join(
            (
                f"h{begins // 60} m{begins % 60 // MINUTES}",
                f"eh{ends // 60} em{ends % 60 // MINUTES}",
                f"l{lane}of{lanes}",
            )
        )

    return classes


PAGES = (
    Page("/person", "people", WebRole.HELPDESK, people, menu=True),
    Page("/look-up", "look_up", WebRole.HELPDESK, look_up, method="POST", limited=True),
    Page("/look-up/{number}", "person", WebRole.HELPDESK, show),
)
