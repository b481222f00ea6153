"""Mirrors what roll-outs go by beside teaching: units of courses and teachers, and programmes.

Each is read only where the settings say so; where they do not any more, what was mirrored of it
goes.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from kalender.domain.model import (
    Account,
    BadItem,
    CourseOrganisations,
    PersonFacts,
    UnitKey,
    folded,
)
from kalender.ports import Students
from kalender.store import organisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Memberships:
    """What FS told; None where it is not read. `bad_items` could not be read."""

    courses: Sequence[CourseOrganisations] | None
    programmes: Mapping[int, Collection[str]] | None  # by FS number
    bad_items: Sequence[BadItem]


def read(students: Students, courses: Collection[str]) -> Memberships:
    """Ask FS for the units of these courses, by their codes, and for all study rights."""
    bad_items: list[BadItem] = []
    units = students.course_organisations(courses, bad_items.append)
    rights = students.programmes(bad_items.append)
    by_number = defaultdict[int, set[str]](set)
    for page in rights or ():
        for number, programme in page:
            by_number[number].add(programme)
    return Memberships(
        courses=None if units is None else [told for page in units for told in page],
        programmes=None if rights is None else by_number,
        bad_items=bad_items,
    )


def merge(  # noqa: PLR0913
    connection: Connection,
    told: Memberships,
    *,
    accounts: Sequence[Account],
    units: Collection[UnitKey],
    listed: Collection[str],
    persons: Mapping[int, int],
    skipped_persons: Collection[int],
) -> set[int]:
    """Write what was told into the mirror; return the persons who are to be asked about singly.

    These are the ones of whom it lacks a study right that the mirror has. `units` are those that FS
    tells of: a version of a course that nobody takes or teaches is of no concern. `listed` are
    courses as TP spells them; `persons` are by FS number.
    """
    codes = _by_course(connection, told.courses, units, listed)
    organisation.save(connection, organisation.RESPONSIBLE, codes)
    merged = {number: id_ for number, id_ in persons.items() if id_ not in skipped_persons}
    employers = {
        merged[account.fs_number]: _codes(account)
        for account in accounts
        if account.organisation is not None and account.fs_number in merged
    }
    organisation.save(
        connection, organisation.EMPLOYING, None if told.courses is None else employers
    )
    if told.programmes is None:
        return organisation.save(connection, organisation.FOLLOWED, None)
    programmes = {id_: told.programmes.get(number, ()) for number, id_ in merged.items()}
    return organisation.save(connection, organisation.FOLLOWED, programmes, may_remove=False)


def _by_course(
    connection: Connection,
    courses: Sequence[CourseOrganisations] | None,
    units: Collection[UnitKey],
    listed: Collection[str],
) -> Mapping[str, Collection[str]] | None:
    if courses is None:
        return None
    taught = {(folded(unit.course), unit.version) for unit in units}
    taught |= organisation.versions(connection)
    spellings = {folded(course): course for course in sorted(listed)}
    spellings |= organisation.spellings(connection)
    codes = defaultdict[str, set[str]](set)
    for course in courses:
        name = folded(course.course)
        if (name, course.version) in taught:
            codes[spellings.get(name, course.course)] |= course.organisations
    return codes


def save_person(connection: Connection, person_id: int, answer: PersonFacts | None) -> None:
    """Write what FS' single answer tells of a person."""
    if answer is None:
        return
    if answer.account.organisation is not None:
        organisation.save(connection, organisation.EMPLOYING, {person_id: _codes(answer.account)})
    if answer.programmes is not None:
        organisation.save(connection, organisation.FOLLOWED, {person_id: answer.programmes})


def _codes(account: Account) -> Collection[str]:
    return {account.organisation} if account.organisation else ()
