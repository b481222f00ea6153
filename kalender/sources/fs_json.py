"""FS' items as the domain's values; one reader for the nested, the flat and the bare form.

Only what is named here leaves this module: national identity numbers, names and addresses of
other kinds are never read.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import unquote

from kalender.domain.model import (
    Account,
    ActivityKey,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
)
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
    item = flat(raw)
    mail = item.get("epost")
    username = item.get("brukernavn")
    return Account(
        fs_number=_number(item.get("personlopenummer"), "personlopenummer"),
        username=username if isinstance(username, str) and username else None,
        mail=tuple(_mail(each) for each in mail if isinstance(each, dict) and each.get("adresse"))
        if isinstance(mail, list)
        else None,
    )


def _mail(raw: Raw) -> tuple[str, str]:
    return str(raw.get("type", "")), str(raw["adresse"])


def read_registration(raw: Raw) -> tuple[int, int, Registration] | None:
    """Read (institution, FS number, registration); None in a term that TP does not plan."""
    item = flat(raw)
    unit = _unit(item.get("undervisning"))
    if unit is None:
        return None
    registration = Registration(unit=unit[1], offer_status=offer_status(item))
    return unit[0], _person(item), registration


def offer_status(raw: Raw) -> str | None:
    """Return whether there is an offer; None where the item does not tell."""
    status = flat(raw).get("tilbudstatus")
    if isinstance(status, dict):  # a reference, as FS gives other codes
        status = _last(status)
    return status if isinstance(status, str) and status else None


def read_placement(raw: Raw) -> tuple[int, int, ActivityKey] | None:
    """Read (institution, FS number, activity)."""
    item = flat(raw)
    activity = _activity(item.get("undervisningsaktivitet"))
    return None if activity is None else (activity[0], _person(item), activity[1])


def tells_role(raw: Raw) -> bool:
    """Whether an item says which role it is; with ids alone it does not."""
    return "rolle" in flat(raw)


def role_key(raw: Raw) -> str:
    """Return what names a role in its single form."""
    item = flat(raw)
    return f"{_person(item)},{_number(item.get('rollenummer'), 'rollenummer')}"


def read_role(raw: Raw) -> tuple[int, int, TeachingRole] | None:
    """Read (institution, FS number, role); None where it is on no teaching."""
    item = flat(raw)
    place = _place(item)
    if place is None:
        return None
    institution, unit, actid = place
    period = item.get("periode")
    told: Raw = period if isinstance(period, dict) else {}
    role = TeachingRole(
        number=_number(item.get("rollenummer"), "rollenummer"),
        role=_last(item.get("rolle")),
        unit=unit,
        actid=actid,
        starts_on=_day(told.get("fraDato")),
        ends_on=_day(told.get("tilDato")),
    )
    return institution, _person(item), role


def _place(item: Raw) -> tuple[int, UnitKey, str | None] | None:
    if "undervisningsaktivitet" in item:
        activity = _activity(item["undervisningsaktivitet"])
        return None if activity is None else (activity[0], activity[1].unit, activity[1].actid)
    if "undervisning" in item:
        unit = _unit(item["undervisning"])
        return None if unit is None else (*unit, None)
    return None


# -- references ---------------------------------------------------------------------------------------


def _person(item: Raw) -> int:
    person = item.get("person")
    number = person.get("personlopenummer") if isinstance(person, dict) else None
    if number is None and isinstance(person, dict):
        number = _last(person)
    return _number(number, "person")


def _last(raw: object) -> str:
    """Return the last element of a reference, decoded."""
    href = raw.get("href") if isinstance(raw, dict) else None
    if not isinstance(href, str) or "/" not in href:
        raise BadSourceData("fs: an item without a reference where one must be")
    return unquote(href.rpartition("/")[2])


UNIT_PARTS, ACTIVITY_PARTS = 6, 7


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
    unit = _unit_of(parts[:UNIT_PARTS])
    return None if unit is None else (unit[0], ActivityKey(*unit[1], parts[-1]))


def _unit_of(parts: list[str]) -> tuple[int, UnitKey] | None:
    institution, course, version, year, term, term_number = parts
    try:
        semester = Semester.from_fs(_number(year, "year"), term)
    except ValueError:
        return None
    unit = UnitKey(course, version, semester.code, _number(term_number, "term number"))
    return _number(institution, "institution"), unit


def _number(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) <= 18:  # noqa: PLR2004
        return int(value)
    raise BadSourceData(f"fs: {name} is no number")


def _day(value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise BadSourceData("fs: a period that is no date") from error
