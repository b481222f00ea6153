"""What `kalender rollout` is told to go by, checked: each value as it is kept."""

from collections.abc import Sequence

from kalender.app import App
from kalender.cli.base import person_of
from kalender.domain.criteria import (
    AUDIENCE,
    COURSE,
    CRITERIA,
    DEPARTMENT,
    FACULTY,
    GROUP,
    MIRRORED,
    PERSON,
    PROGRAMME,
    SHARE,
    organisation,
)
from kalender.domain.model import as_spelled
from kalender.domain.roles import ROLES
from kalender.errors import ConfigError
from kalender.store import criteria, rollouts
from kalender.store.database import Database

KINDS = f"{', '.join(list(CRITERIA)[:-1])} or {list(CRITERIA)[-1]}"
LONGEST_GROUP = 64  # characters
SHOWN = 10  # values that are named where another is not known


def checked(
    wired: App, database: Database, kind: str, values: Sequence[str], *, adding: bool
) -> list[str]:
    """Return the values as they are kept; ConfigError says in one line what is wrong with one.

    What is added must be known; what is removed may be gone from FS and TP.
    """
    if kind not in CRITERIA:
        raise ConfigError(f"rollout wants {KINDS}")
    return [_checked(wired, database, kind, value, adding=adding) for value in values]


def _checked(wired: App, database: Database, kind: str, value: str, *, adding: bool) -> str:
    if kind in MIRRORED:
        return _mirrored(wired, database, kind, value, adding=adding)
    if kind == PERSON:
        return str(person_of(database, value))
    if kind == COURSE:
        return _course(database, value, adding=adding)
    if kind == SHARE:
        return _share(value)
    role_names = [role.name for role in ROLES]
    if kind == AUDIENCE and value not in role_names:
        raise ConfigError(f"rollout add audience wants {' or '.join(role_names)}")
    if kind == GROUP and not 0 < len(value.strip()) <= LONGEST_GROUP:
        raise ConfigError(f"a group's name has 1 to {LONGEST_GROUP} characters")
    return value.strip()


def _share(value: str) -> str:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError("a share is a number from 0 to 1")
    return str(share)


def _course(database: Database, value: str, *, adding: bool) -> str:
    with database.read() as connection:
        course = rollouts.spelled(connection, value)
        listed_courses = rollouts.by_kind(rollouts.listed(connection))[COURSE]
    if not adding:
        return as_spelled(value, listed_courses) or value
    if course is None:
        raise ConfigError(
            f"no course {value} is mirrored: kalender resync --all reads them from TP"
        )
    return course


def _mirrored(wired: App, database: Database, kind: str, value: str, *, adding: bool) -> str:
    institution = wired.config.institution.number
    kept = value.strip()
    if kind in (FACULTY, DEPARTMENT):
        kept = organisation(kind, value, institution)
    if not adding:
        return kept
    with database.read() as connection:
        known = criteria.known_values(connection, kind, institution)
    if not known:
        setting = "programmes" if kind == PROGRAMME else "organisations"
        raise ConfigError(
            f"no {kind} is mirrored: set [fs] {setting} = true, then kalender resync --all"
        )
    if not any(f"{kept},".startswith(f"{code},") for code in known):
        others = ", ".join(known[:SHOWN]) + (" ..." if known[SHOWN:] else "")
        raise ConfigError(f"nothing of {kind} {value} is mirrored; there are {others}")
    return kept
