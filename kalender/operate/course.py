"""A course in one semester as it is shown: its groups, TP's last answer, and whom changes concerned."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kalender.domain.model import CourseKey
from kalender.operate import disclosure, queries
from kalender.operate.records import CourseRun
from kalender.operate.status import Brake
from kalender.store import acts, brakes, rollouts, unreadable
from kalender.store.acts import Filter, WritesInHour
from kalender.store.brakes import HeldCount
from kalender.store.database import database_time
from kalender.store.unreadable import UnreadableItem

LATELY = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseShown:
    """What is held of a course in one semester.

    `brake` is the course's, where one is set,
    and `lets_go` what a release of it would delete. `concerned` tells what was written of the course
    within two weeks, and of how many persons, the latest hour first.
    """

    run: CourseRun
    unreadable: tuple[UnreadableItem, ...]
    brake: Brake | None
    lets_go: HeldCount
    concerned: tuple[WritesInHour, ...]


def course_shown(
    connection: Connection, code: str, semester: str | None, at: datetime
) -> list[CourseShown]:
    """Return a course by semester, its code in any letters; `at` is on the domain's clock."""
    spelled = rollouts.spelled(connection, code) or code
    brakes_by_scope = {brake.scope: brake for brake in queries.standing_brakes(connection, at)}
    lately = Filter(course=spelled, since=database_time(connection) - LATELY, with_protected=False)
    concerned = tuple(acts.writes_by_hour(connection, lately))
    shown = []
    for run in disclosure.runs(connection, spelled, semester.lower() if semester else None):
        key = CourseKey(run.course, run.semester)
        scope = brakes.course_scope(key)
        brake = brakes_by_scope.get(scope)
        shown.append(
            CourseShown(
                run=run,
                unreadable=tuple(unreadable.of_course(connection, key)),
                brake=brake,
                lets_go=brakes.would_go(connection, scope, at) if brake else HeldCount(),
                concerned=concerned,
            )
        )
    return shown
