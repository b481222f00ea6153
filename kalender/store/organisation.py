"""What roll-outs go by beside teaching: units of courses and teachers, programmes of students.

Codes are FS' own. Nothing here decides what a calendar shows.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, delete, select

from kalender.domain.model import folded
from kalender.store.sql import delete_many, insert_missing, is_one_of
from kalender.store.tables import (
    course_organisation,
    course_run,
    employment,
    study_right,
    teaching_activity,
)

FEW = 100  # persons or courses, of whom alone the mirror is read
Codes = Mapping[Any, Collection[str]]  # a course or a person -> their codes
RESPONSIBLE, EMPLOYING, FOLLOWED = course_organisation, employment, study_right
"""Units by course, units by person, and programmes by person."""


def save(
    connection: Connection, table: Table, told: Codes | None, *, may_remove: bool = True
) -> set[Any]:
    """Make one of these tables say what was told of these courses or persons; None: forget all.

    Returns those of which it held more; where it may not remove, that stays.
    """
    if told is None:
        connection.execute(delete(table))
        return set()
    whose, code = table.primary_key.columns
    query = select(whose, code)
    if len(told) <= FEW:
        query = query.where(is_one_of(connection, whose, told))
    held = defaultdict[Hashable, set[str]](set)
    for key, value in connection.execute(query):
        held[key].add(value)
    new = [(key, value) for key, codes in told.items() for value in {*codes} - held[key]]
    lacking = [(key, value) for key, codes in told.items() for value in held[key] - {*codes}]
    rows = [{whose.name: key, code.name: value} for key, value in sorted(new)]
    insert_missing(connection, table, rows)
    if may_remove:
        delete_many(connection, table, (whose.name, code.name), lacking)
    return {key for key, _ in lacking}


def spellings(connection: Connection) -> dict[str, str]:
    """Return the folded code of each mirrored course -> its spelling by TP."""
    codes = connection.execute(select(course_run.c.course).distinct()).scalars()
    return {folded(code): code for code in sorted(codes)}


def versions(connection: Connection) -> set[tuple[str, str]]:
    """Return the (folded code, version) of each course of which TP told an activity."""
    columns = (teaching_activity.c.course, teaching_activity.c.version)
    rows = connection.execute(select(*columns).distinct())
    return {(folded(course), version) for course, version in rows}
