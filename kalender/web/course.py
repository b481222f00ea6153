"""The page about a course: its groups, TP's last answer, and whom changes concerned. No person."""

from functools import partial

from kalender.domain.render import Language
from kalender.domain.work import Cause
from kalender.operate.course import course_shown
from kalender.operate.queries import standing_brakes
from kalender.store import brakes
from kalender.web.page import Answer, Page, Role, Shown, Visit
from kalender.web.words import say_or_as_is

LONGEST = 64  # letters of a code
HOURS = 40  # rows of whom changes concerned


def show(visit: Visit) -> Answer:
    """Show the course that the query names, or which brakes of courses hold."""
    code = visit.query.get("code", "").strip()[:LONGEST]
    semester = visit.query.get("semester", "").strip()[:LONGEST]
    now = visit.site.app.clock()
    with visit.site.database.read() as connection:
        courses = course_shown(connection, code, semester or None, now) if code else []
        standing = [] if code else standing_brakes(connection, now)
    held = [
        (brake, *brake.scope.removeprefix(brakes.COURSE).rpartition(" ")[::2])
        for brake in standing
        if brake.scope.startswith(brakes.COURSE) and brake.state == "holding"
    ]
    values = {
        "code": code,
        "semester": semester,
        "courses": courses,
        "held": held,
        "hours": HOURS,
        "cause_of": Cause.of,
        "what_changed": partial(_what_changed, visit.language),
        "may_release": visit.session.role >= Role.OPERATOR,
    }
    status = 404 if code and not courses else 200
    return Shown(template="course.html", values=values, status=status)


def _what_changed(language: Language, recorded: str) -> str:
    """Return in words what TP's answer changed, such as `70 new, 2 gone`, as the mirror wrote it down."""
    parts = [part.rpartition(" ") for part in recorded.split(", ")]
    if not all(count.isdecimal() for count, _, _ in parts):
        return say_or_as_is(language, "course.change", recorded)
    return ", ".join(
        f"{count} {say_or_as_is(language, 'course.change', name)}" for count, _, name in parts
    )


PAGES = (Page("/course", "course", Role.STATUS, show, menu=True),)
