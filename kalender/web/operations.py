"""What operators wish of neighbours and brakes: pauses, their end, and what a brake lets go.

No address here names a person: what FS emptied is released from the person's own page.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from kalender.app import App
from kalender.domain.work import Kind
from kalender.errors import ConfigError
from kalender.neighbours import breaker
from kalender.operate import disclosure, pauses, queries, releases
from kalender.operate.releases import StandingBrake
from kalender.store import acts
from kalender.web.asking import LONGEST_REASON, Asked, asking, done
from kalender.web.page import (
    Answer,
    Page,
    PageError,
    PageRequest,
    Redirect,
    ShownPage,
    WebRole,
    not_found,
)
from kalender.web.reading import number_of
from kalender.web.words import say

BACK = "/operations"
NAMES = {pauses.PAUSE: "pause", pauses.RESUME: "resume", releases.RELEASE: "release"}
LISTED = 100  # events, or persons, of which a release lets something go
SUGGESTED = timedelta(hours=2)  # that a pause lasts


def show(request: PageRequest) -> Answer:
    """Show what can be paused and resumed, and which brakes hold."""
    app = request.site.app
    with request.site.database.read() as connection:
        known = {each.name: each for each in queries.neighbours(connection)}
        hidden = disclosure.protected_work(connection)
        brakes = [
            brake
            for brake in queries.standing_brakes(connection, app.clock())
            if brake.state == "holding" and tuple(brake.scope.split(maxsplit=1)) not in hidden
        ]
    neighbours = [(name, known.get(name)) for name in pauses.names(app.config)]
    values = {"neighbours": neighbours, "brakes": brakes, "for_ever": breaker.FOR_EVER}
    return ShownPage(template="operations.html", values=values)


def say_done(request: PageRequest) -> Answer:
    """Say what was done, by who looks."""
    number = number_of(request.path["act"])
    with request.site.database.read() as connection:
        act = None if number is None else acts.read(connection, number, who=request.session.who)
    if act is None or act.person_id is not None or act.command not in NAMES:
        raise not_found()
    return done(NAMES[act.command], act, subject=act.scope, back=BACK)


def _carried_out(
    request: PageRequest, command: str, scope: str, write: Callable[[Connection], object]
) -> Answer:
    """Write a wish down, and go to the page that says so."""
    who = request.session.who
    with request.site.database.write() as connection:
        write(connection)
        act = acts.latest(connection, command, who=who, scope=scope)
    return Redirect(path=f"/done/{act}")


def _reason(request: PageRequest) -> str:
    return request.form.get("reason", "").strip()[:LONGEST_REASON]


# -- pauses ----------------------------------------------------------------------------------------------


def ask_pause(request: PageRequest) -> Answer:
    """Say what a pause does, and ask why and until when."""
    if "name" not in request.query:
        return Redirect(path=BACK)
    app = request.site.app
    until = (app.clock() + SUGGESTED).astimezone(app.zone)
    return _asking_pause(
        request, _asked(request, "pause", request.query), f"{until:%Y-%m-%dT%H:%M}"
    )


def pause(request: PageRequest) -> Answer:
    """Pause a neighbour, or bulk work, until then or until resumed."""
    asked, until = _asked(request, "pause", request.form), request.form.get("until", "").strip()
    if not asked.reason:
        return _asking_pause(request, _refused(asked, "wish.no_reason"), until)
    app, who = request.site.app, request.session.who
    try:
        end = _instant(app, until) if until else None

        def write(connection: Connection) -> None:
            pauses.pause(connection, asked.subject, until=end, who=who, reason=asked.reason)

        return _carried_out(request, pauses.PAUSE, asked.subject, write)
    except (ConfigError, ValueError, OverflowError):
        return _asking_pause(request, _refused(asked, "wish.pause.past"), until)


def _instant(app: App, until: str) -> datetime:
    """Return a wall time of the institution's as an instant of the database's clock.

    In a rehearsal the page's day is another one than the database's.
    """
    ahead = app.clock() - app.machine_now()
    return datetime.fromisoformat(until).replace(tzinfo=app.zone).astimezone(UTC) - ahead


def _asking_pause(request: PageRequest, asked: Asked, until: str) -> Answer:
    return asking(asked, "wish_pause.html", until=until, zone=str(request.site.app.zone))


def ask_resume(request: PageRequest) -> Answer:
    """Say what a resume does, and ask why."""
    if "name" not in request.query:
        return Redirect(path=BACK)
    return _asking_resume(request, _asked(request, "resume", request.query))


def resume(request: PageRequest) -> Answer:
    """End a pause, or let one request try what failed or refused us."""
    asked, who = _asked(request, "resume", request.form), request.session.who
    if not asked.reason:
        return _asking_resume(request, _refused(asked, "wish.no_reason"))
    try:
        return _carried_out(
            request,
            pauses.RESUME,
            asked.subject,
            lambda connection: pauses.resume(
                connection, asked.subject, who=who, reason=asked.reason
            ),
        )
    except ConfigError:
        return _asking_resume(request, _refused(asked, "wish.resume.over"))


def _asking_resume(request: PageRequest, asked: Asked) -> Answer:
    """Return the page that asks, with who paused it and why."""
    with request.site.database.read() as connection:
        known = {each.name: each for each in queries.neighbours(connection)}
    return asking(asked, "wish_resume.html", neighbour=known.get(asked.subject))


def _asked(request: PageRequest, wish: str, given: Mapping[str, str]) -> Asked:
    name = given.get("name", "")
    if name not in pauses.names(request.site.app.config):
        raise not_found()
    what = name if name in {breaker.BULK, breaker.MOVES} else "neighbour"
    return Asked(
        name=wish,
        action=f"/{wish}",
        back=BACK,
        subject=name,
        about={"will": say(request.language, f"wish.pause.{what}")},
        hidden={"name": name},
        asks="wish.reason",
        reason=_reason(request),
    )


def _refused(asked: Asked, problem: str) -> Asked:
    return replace(asked, problem=problem, status=400)


# -- brakes ----------------------------------------------------------------------------------------------


def ask_release(request: PageRequest) -> Answer:
    """Say what a release lets go, one by one, and ask why."""
    if "scope" not in request.query:
        return Redirect(path=BACK)
    return _asking_release(request, request.query["scope"])


def release(request: PageRequest) -> Answer:
    """Release a brake; where it holds something else than was shown, that is asked anew."""
    scope, reason = request.form.get("scope", ""), _reason(request)
    if not reason:
        return _asking_release(request, scope, problem="wish.no_reason")
    who, now = request.session.who, request.site.app.clock()
    with request.site.database.write() as connection:
        brake = _brake_named(connection, scope, now)
        if request.form.get("agreed") == _counts(brake):
            releases.release(connection, brake, who=who, reason=reason, now=now)
            act = acts.latest(connection, releases.RELEASE, who=who, scope=brake.scope)
            return Redirect(path=f"/done/{act}")
    return _asking_release(request, scope, reason=reason, problem="wish.release.changed")


def _asking_release(
    request: PageRequest, scope: str, *, reason: str = "", problem: str | None = None
) -> Answer:
    now = request.site.app.clock()
    with request.site.database.read() as connection:
        brake = _brake_named(connection, scope, now)
        events = releases.events_held(connection, brake, now)
        persons = list(releases.persons_held(connection, brake))
    numbers = {
        "held": brake.held.held,
        "people": brake.held.people,
        "alone": brake.changes.people,
        "entries": brake.changes.entries,
        "returning": brake.changes.returning,
    }
    asked = Asked(
        name="release",
        action="/release",
        back=BACK,
        subject=brake.scope,
        about={"will": say(request.language, f"wish.release.{brake.kind}", **numbers)},
        hidden={"scope": brake.scope, "agreed": _counts(brake)},
        asks="wish.reason",
        reason=reason,
        problem=problem,
        status=400 if problem else 200,
    )
    return asking(
        asked,
        "wish_release.html",
        events=events[:LISTED],
        more_events=max(len(events) - LISTED, 0),
        persons=persons[:LISTED],
        more_persons=max(len(persons) - LISTED, 0),
    )


def _brake_named(connection: Connection, scope: str, now: datetime) -> StandingBrake:
    """Return the brake; PageError where it does not hold, or is somebody's whom nobody is shown."""
    name = releases.spelled(scope)
    hidden = disclosure.protected_work(connection)
    try:
        if name.startswith("person") or (Kind.CALENDAR.value, name.partition(" ")[2]) in hidden:
            raise PageError(404, "wish.release.over")
        return releases.brake_named(connection, name, now)
    except ConfigError:
        raise PageError(404, "wish.release.over") from None


def _counts(brake: StandingBrake) -> str:
    """Return what somebody agrees to, to be compared with what holds when they do."""
    changes = brake.changes
    return f"{brake.held.held} {brake.held.people} {changes.people} {changes.returning}"


PAGES = (
    Page("/operations", "operations", WebRole.OPERATOR, show, menu=True),
    Page("/pause", "pause", WebRole.OPERATOR, ask_pause),
    Page("/pause", "pause_form", WebRole.OPERATOR, pause, method="POST"),
    Page("/resume", "resume", WebRole.OPERATOR, ask_resume),
    Page("/resume", "resume_form", WebRole.OPERATOR, resume, method="POST"),
    Page("/release", "release", WebRole.OPERATOR, ask_release),
    Page("/release", "release_form", WebRole.OPERATOR, release, method="POST"),
    Page("/done/{act}", "done", WebRole.OPERATOR, say_done),
)
