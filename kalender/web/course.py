"""The page about a course: its groups, TP's last answer, and whom changes concerned. No person."""

from functools import partial

from kalender.domain.render import Language
from kalender.domain.work import Cause
from kalender.operate.course import course_shown
from kalender.operate.queries import standing_brakes
from kalender.store import brakes
from kalender.web.page import Answer, Page, PageRequest, ShownPage, WebRole
from kalender.web.words import say_or_as_is

LONGEST = 64  # letters of a code
HOURS = 40  # rows of whom changes concerned


def show(request: PageRequest) -> Answer:
    """Show the course that the query names, or which brakes of courses hold."""
    code = request.query.get("code", "").strip()[:LONGEST]
    semester = request.query.get("semester", "").strip()[:LONGEST]
    now = request.site.app.clock()
    with request.site.database.read() as connection:
        courses = course_shown(connection, code, semester or None, now) if code else []
        brakes_in_force = [] if code else standing_brakes(connection, now)
    held = [
        (brake, *brake.scope.removeprefix(brakes.COURSE).rpartition(" ")[::2])
        for brake in brakes_in_force
        if brake.scope.startswith(brakes.COURSE) and brake.state == "holding"
    ]
    values = {
        "code": code,
        "semester": semester,
        "courses": courses,
        "held": held,
        "hours": HOURS,
        "cause_of": Cause.of,
        "what_changed": partial(_what_changed, request.language),
        "may_release": request.session.role >= WebRole.OPERATOR,
    }
    status = 404 if code and not courses else 200
    return ShownPage(template="course.html", values=values, status=status)


def _what_changed(language: Language, recorded: str) -> str:
    """Return in words what TP's answer changed, such as `70 new, 2 gone`, as the mirror wrote it down."""
    parts = [part.rpartition(" ") for part in recorded.split(", ")]
    if not all(count.isdecimal() for count, _, _ in parts):
        return say_or_as_is(language, "course.change", recorded)
    return ", ".join(
        f"{count} {say_or_as_is(language, 'course.change', name)}" for count, _, name in parts
    )


PAGES = (Page("/course", "course", WebRole.STATUS, show, menu=True),)
