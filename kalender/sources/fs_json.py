"""FS' items as the domain's values; one reader for the nested, the flat and the bare form.

Only what is named here leaves this module: national identity numbers, names and addresses of
other kinds are never read. What cannot be read raises BadSourceData, which quotes nothing.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import unquote

from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    CourseOrganisations,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
)
from kalender.domain.text import without_unseen
from kalender.errors import BadSourceData

Raw = Mapping[str, Any]


def flat(raw: Raw) -> Raw:
    """Return an item with what its collection nests under `id` beside the rest."""
    inner = raw.get("id")
    return (
        {**inner, **{k: v for k, v in raw.items() if k != "id"}} if isinstance(inner, dict) else raw
    )


def read_account(raw: Raw) -> Account:
    """Read a person; username and mail are None where the item does not have them."""
    fields = flat(raw)
    username, mail = _word(fields.get("brukernavn")), fields.get("epost")
    return Account(
        fs_number=_number(fields.get("personlopenummer"), "personlopenummer"),
        username=username if 0 < len(username) <= LONGEST_NAME else None,
        mail=tuple(
            (_word(address.get("type"))[:LONGEST_CODE], text)
            for address in mail
            if isinstance(address, dict)
            and 0 < len(text := _word(address.get("adresse"))) <= LONGEST_NAME
        )
        if isinstance(mail, list)
        else None,
        organisation=_employer(fields),
    )


def _employer(fields: Raw) -> str | None:
    """Read which unit employs a person; None where the item does not tell, or not readably."""
    if "fagperson" not in fields:
        return None
    teacher = fields["fagperson"]
    told = teacher.get("organisasjonsenhet") if isinstance(teacher, dict) else None
    if told is None:
        return ""
    with suppress(BadSourceData):  # it decides no calendar: the account is taken all the same
        return organisation(told)
    return None


def _word(value: object) -> str:
    """Return a string that can be stored and compared, or an empty one."""
    return without_unseen(value) if isinstance(value, str) else ""


def _fits(text: str, name: str, limit: int) -> str:
    if len(text) > limit:
        raise BadSourceData(f"fs: {name} is longer than {limit} characters")
    return text


def read_registration(raw: Raw) -> tuple[int, int, Registration] | None:
    """Read (institution, FS number, registration); None in a term that TP does not plan."""
    fields = flat(raw)
    unit = _unit(fields.get("undervisning"))
    if unit is None:
        return None
    registration = Registration(unit=unit[1], offer_status=offer_status(fields))
    return unit[0], _person(fields), registration


def offer_status(raw: Raw) -> str | None:
    """Return whether there is an offer; None where the item does not tell."""
    status = flat(raw).get("tilbudstatus")
    code = _last(status) if isinstance(status, dict) else _word(status)  # a reference or the code
    return _fits(code, "tilbudstatus", LONGEST_VERSION) or None


def read_placement(raw: Raw) -> tuple[int, int, ActivityKey] | None:
    """Read (institution, FS number, activity)."""
    fields = flat(raw)
    activity = _activity(fields.get("undervisningsaktivitet"))
    return None if activity is None else (activity[0], _person(fields), activity[1])


def tells_role(raw: Raw) -> bool:
    """Whether an item says which role it is; with ids alone it does not."""
    return flat(raw).get("rolle") is not None


def role_key(raw: Raw) -> str:
    """Return what names a role in its single form."""
    fields = flat(raw)
    return f"{_person(fields)},{_number(fields.get('rollenummer'), 'rollenummer')}"


def read_role(raw: Raw) -> tuple[int, int, TeachingRole] | None:
    """Read (institution, FS number, role); None where it is on no teaching."""
    fields = flat(raw)
    place: tuple[int, UnitKey] | tuple[int, ActivityKey] | None = None
    if fields.get("undervisningsaktivitet") is not None:
        place = _activity(fields["undervisningsaktivitet"])
    elif fields.get("undervisning") is not None:
        place = _unit(fields["undervisning"])
    if place is None:
        return None
    institution, key = place
    unit, actid = (key.unit, key.actid) if isinstance(key, ActivityKey) else (key, None)
    period = fields.get("periode")
    dates: Raw = period if isinstance(period, dict) else {}
    role = TeachingRole(
        number=_number(fields.get("rollenummer"), "rollenummer"),
        role=_fits(_last(fields.get("rolle"), "rolle"), "rolle", LONGEST_CODE),
        unit=unit,
        actid=actid,
        starts_on=_day(dates, "fraDato"),
        ends_on=_day(dates, "tilDato"),
        period_told=isinstance(period, dict),
    )
    return institution, _person(fields), role


def read_course(raw: Raw) -> tuple[int, str, str, CourseOrganisations | None]:
    """Read (institution, code, version, units) of a course; the units are None with ids alone."""
    fields = flat(raw)
    names = [fields.get(name) for name in ("institusjon", "kode", "versjon")]
    if None in names:
        parts = _last(fields, "a course").split(",")
        if len(parts) != len(names):
            raise BadSourceData("fs: a reference to a course that has not three parts")
        names = [*parts]
    institution = _number(names[0], "institusjon")
    code = _fits(_word(names[1]), "a course's code", LONGEST_CODE)
    version = _fits(_word(str(names[2])), "a course's version", LONGEST_VERSION)
    if not code:
        raise BadSourceData("fs: a course without its code")
    told = fields.get("organisasjonsenheter")
    if not isinstance(told, list):
        return institution, code, version, None
    codes = frozenset(map(organisation, told))
    return (
        institution,
        code,
        version,
        CourseOrganisations(course=code, version=version, organisations=codes),
    )


def organisation(raw: object) -> str:
    """Read a unit's code: institution, faculty, department and group, beside each other or in its reference."""
    parts: list[Any] = [raw.get(name) for name in ORGANISATION] if isinstance(raw, dict) else []
    if not parts or None in parts:
        parts = [*_last(raw, "an organisational unit").split(",")]
    if len(parts) != len(ORGANISATION):
        raise BadSourceData("fs: a reference to an organisational unit that has not four parts")
    return ",".join(str(_number(part, "organisasjonsenhet")) for part in parts)


def read_study_right(raw: Raw) -> tuple[int, str] | None:
    """Read (FS number, the programme's code); None where the item says that it is not active."""
    fields = flat(raw)
    status, programme = fields.get("studierettstatus"), fields.get("studieprogram")
    if isinstance(status, dict) and status.get("aktiv") is False:
        return None
    code = _word(programme.get("kode")) if isinstance(programme, dict) else ""
    code = code or _last(programme, "a study programme").rpartition(",")[2]
    if not code:
        raise BadSourceData("fs: a study right without its programme")
    return _person(fields), _fits(code, "studieprogram", LONGEST_CODE)


def bad_item(collection: str, raw: Raw, reason: str) -> BadItem:
    """Say which item of a collection could not be read: its id as FS' addresses have it."""
    fields = flat(raw)
    number = None
    with suppress(BadSourceData):
        if fields.get("person") is not None:
            number = _person(fields)
        else:
            number = _number(fields.get("personlopenummer"), "personlopenummer")
    teaching = fields.get("undervisningsaktivitet") or fields.get("undervisning")
    role = fields.get("rollenummer")
    parts = ["" if number is None else str(number)]
    if isinstance(role, int):
        parts.append(str(role))
    elif teaching is not None:
        with suppress(BadSourceData):
            parts.insert(0, _last(teaching))
    name = ",".join(filter(None, parts))
    return BadItem(
        collection=collection,
        reason=reason.removeprefix("fs: "),
        item=name if ID.fullmatch(name) and not MAY_BE_NATIONAL.search(name) else None,
        fs_number=number,
    )


ID = re.compile(r"[\w,./-]{1,160}")
MAY_BE_NATIONAL = re.compile(r"\d{11}")


# -- references ---------------------------------------------------------------------------------------


def _person(fields: Raw) -> int:
    person = fields.get("person")
    number = person.get("personlopenummer") if isinstance(person, dict) else None
    if number is None and isinstance(person, dict):
        number = _last(person)
    return _number(number, "person")


def _last(raw: object, name: str = "teaching or a person") -> str:
    """Return the last element of a reference's path, decoded."""
    href = raw.get("href") if isinstance(raw, dict) else None
    if not isinstance(href, str) or "/" not in href:
        raise BadSourceData(f"fs: no reference to {name} where one must be")
    return without_unseen(unquote(href.partition("?")[0].rpartition("/")[2]))


UNIT_PARTS, ACTIVITY_PARTS = 6, 7
ORGANISATION = ("institusjon", "fakultet", "institutt", "gruppe")
EARLIEST = 1900  # a comma within a course's code puts another number in the year's place
LONGEST, LARGEST = 10, 2**31 - 1  # digits; what a database's integer holds
LONGEST_NAME, LONGEST_CODE, LONGEST_VERSION = 255, 64, 16  # characters that its columns hold


def _unit(raw: object) -> tuple[int, UnitKey] | None:
    """Read `inst,course,version,year,term,term number`; None in a term TP does not plan."""
    parts = _last(raw).split(",")
    if len(parts) != UNIT_PARTS:
        raise BadSourceData("fs: a reference to teaching that has not six parts")
    return _unit_of(parts)


def _activity(raw: object) -> tuple[int, ActivityKey] | None:
    parts = _last(raw).split(",", ACTIVITY_PARTS - 1)
    if len(parts) != ACTIVITY_PARTS:
        raise BadSourceData("fs: a reference to an activity that has not seven parts")
    actid = _fits(without_unseen(parts[-1]), "an activity's code", LONGEST_CODE)
    if not actid:
        raise BadSourceData("fs: a reference to an activity without its code")
    unit = _unit_of(parts[:UNIT_PARTS])
    return None if unit is None else (unit[0], ActivityKey(*unit[1], actid))


def _unit_of(parts: list[str]) -> tuple[int, UnitKey] | None:
    institution, course, version, year, term, term_number = map(without_unseen, parts)
    if not course or not version:
        raise BadSourceData("fs: a reference to teaching without its course")
    if _number(year, "year") < EARLIEST:
        raise BadSourceData("fs: a reference to teaching whose year is none")
    try:
        semester = Semester.from_fs(_number(year, "year"), term.upper())
    except ValueError:
        return None
    unit = UnitKey(
        _fits(course, "a course's code", LONGEST_CODE),
        _fits(version, "a course's version", LONGEST_VERSION),
        semester.code,
        _number(term_number, "term number"),
    )
    return _number(institution, "institution"), unit


def _number(value: object, name: str) -> int:
    number = value = without_unseen(value) if isinstance(value, str) else value
    if isinstance(value, str) and value.isdecimal() and len(value) <= LONGEST:
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= LARGEST:
        raise BadSourceData(f"fs: {name} is no number")
    return number


def _day(period: Raw, name: str) -> date | None:
    value = period.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(without_unseen(str(value))[:10])
    except ValueError:
        raise BadSourceData(f"fs: a period whose {name} is no date") from None
