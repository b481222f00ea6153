"""FS' items as values: every form they come in, and nothing that is nobody's business."""

import traceback
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.model import Account, ActivityKey, Registration, TeachingRole, UnitKey
from kalender.errors import BadSourceData
from kalender.sources import fs_json
from tests import answers

BASE = "https://api.fellesstudentsystem.no"
Json = dict[str, Any]
READERS: list[Callable[[Json], object]] = [
    fs_json.read_account,
    fs_json.read_registration,
    fs_json.read_placement,
    fs_json.read_role,
    fs_json.role_key,
    fs_json.offer_status,
    fs_json.tells_role,
]
UNIT = "185,IN1000,1,2025,H%C3%98ST,1"
KEY = UnitKey("IN1000", "1", "25h", 1)


def ref(path: str, **fields: Any) -> Json:
    return {"href": f"{BASE}/{path}", **fields}


def a_person(number: int = 56154) -> Json:
    return ref(f"personer/{number}", personlopenummer=number)


def a_registration(unit: str = UNIT, **fields: Any) -> Json:
    inner = {"person": a_person(), "undervisning": ref(f"undervisning/{unit}"), **fields}
    return {"id": inner, "tilbudstatus": "I"}


def a_placement(activity: str = f"{UNIT},2-11") -> Json:
    where = ref(f"undervisningsaktiviteter/{activity}")
    return {"id": {"person": a_person(), "undervisningsaktivitet": where}, "tildelt": True}


def a_role(**fields: Any) -> Json:
    """As it stands in a real answer."""
    told = {
        **ref("personroller/56154,11"),
        "person": a_person(),
        "rollenummer": 11,
        "rolle": ref("roller/L%C3%86RER"),
        "periode": {"fraDato": "2025-08-02"},
        "undervisning": ref(f"undervisning/{UNIT}"),
    }
    return {name: value for name, value in {**told, **fields}.items() if value is not ...}


A_PERSON = {
    **a_person(),
    "brukernavn": "olan",
    "fornavn": "Ola",
    "epost": [
        {"type": "INSTITUSJON", "adresse": "o.l.a@uio.example"},
        {"type": "PRIVAT", "adresse": "ola@home.example"},
    ],
}


# -- registrations ---------------------------------------------------------------------------------


def test_a_collection_with_ids_alone_is_read_whole() -> None:
    items = answers.registrations_by_id()["items"]
    found = [fs_json.read_registration(item) for item in items]
    units = {(each[0], each[1], each[2].unit) for each in found if each is not None}
    assert len(units) == len(found) == 8
    assert {(institution, number) for institution, number, _ in units} == {(185, 70_123)}
    assert (185, 70_123, UnitKey("HAV4100", "1", "26v", 4)) in units
    assert {each[2].offer_status for each in found if each is not None} == {None}


def test_a_registration_is_the_same_in_every_form() -> None:
    nested = a_registration()
    flat = {**nested["id"], "tilbudstatus": "I"}
    bare = {"id": nested["id"]}
    whole = Registration(unit=KEY, offer_status="I")
    assert fs_json.read_registration(nested) == (185, 56154, whole)
    assert fs_json.read_registration(flat) == (185, 56154, whole)
    assert fs_json.read_registration(bare) == (185, 56154, Registration(unit=KEY))


def test_an_offer_status_is_a_code_or_a_reference_or_not_told() -> None:
    assert fs_json.offer_status({"tilbudstatus": "I"}) == "I"
    assert fs_json.offer_status({"tilbudstatus": ref("tilbudstatuser/S")}) == "S"
    assert fs_json.offer_status({"id": {"tilbudstatus": "V"}}) == "V"
    for nothing in ({}, {"tilbudstatus": None}, {"tilbudstatus": ""}, {"tilbudstatus": 1}):
        assert fs_json.offer_status(nothing) is None


@pytest.mark.parametrize(
    ("written", "course"),
    [
        ("MAT-INF1100", "MAT-INF1100"),
        ("MAT-INF%201.1", "MAT-INF 1.1"),
        ("MAT-INF 1.1", "MAT-INF 1.1"),
        ("%C3%98KON%2FA", "ØKON/A"),
        ("ØKON+1", "ØKON+1"),
        ("0-5", "0-5"),
    ],
)
def test_course_codes_may_hold_anything_but_a_comma(written: str, course: str) -> None:
    found = fs_json.read_registration(a_registration(f"185,{written},2A,2026,V%C3%85R,3"))
    assert found is not None
    assert found[2].unit == UnitKey(course, "2A", "26v", 3)


@pytest.mark.parametrize("form", ["185%2CIN1000%2C1%2C2025%2CH%C3%98ST%2C1", f"{UNIT}?dbId=true"])
def test_a_reference_may_be_encoded_whole_or_carry_a_query(form: str) -> None:
    found = fs_json.read_registration(a_registration(form))
    assert found is not None
    assert found[2].unit == KEY


@pytest.mark.parametrize("term", ["SOM", "VIT"])
def test_terms_that_tp_does_not_plan_are_left_out(term: str) -> None:
    unit = f"185,IN1000,1,2025,{term},1"
    assert fs_json.read_registration(a_registration(unit)) is None
    assert fs_json.read_placement(a_placement(f"{unit},1")) is None
    assert fs_json.read_role(a_role(undervisning=ref(f"undervisning/{unit}"))) is None


def test_a_person_may_be_named_by_reference_alone() -> None:
    found = fs_json.read_registration(a_registration(person=ref("personer/56154?dbId=true")))
    assert found is not None
    assert found[1] == 56154


@pytest.mark.parametrize(
    "changes",
    [
        {"person": None},
        {"person": {}},
        {"person": {"personlopenummer": "one"}},
        {"person": {"personlopenummer": True}},
        {"person": {"personlopenummer": -1}},
        {"person": {"personlopenummer": 10**20}},
        {"undervisning": None},
        {"undervisning": "185,IN1000"},
        {"undervisning": {"href": 7}},
        {"undervisning": {"href": "IN1000"}},
        {"undervisning": ref("undervisning/185,IN1000,1,2025,H%C3%98ST")},
        {"undervisning": ref(f"undervisning/{UNIT},1")},
        {"undervisning": ref("undervisning/x,IN1000,1,2025,H%C3%98ST,1")},
        {"undervisning": ref("undervisning/185,,1,2025,H%C3%98ST,1")},
        {"undervisning": ref(f"undervisning/185,{65 * 'X'},1,2025,H%C3%98ST,1")},
        {"undervisning": ref(f"undervisning/185,IN1000,{17 * '1'},2025,H%C3%98ST,1")},
        {"undervisning": ref("undervisning/185,IN1000,1,year,H%C3%98ST,1")},
        {"undervisning": ref("undervisning/185,IN1000,1,2025,H%C3%98ST,x")},
    ],
    ids=str,
)
def test_a_registration_that_cannot_be_read_raises(changes: Json) -> None:
    with pytest.raises(BadSourceData, match=r"^fs: "):
        fs_json.read_registration(a_registration(**changes))


# -- placements ------------------------------------------------------------------------------------


def test_a_placement_is_the_same_in_every_form() -> None:
    nested = a_placement()
    expected = (185, 56154, ActivityKey(*KEY, "2-11"))
    assert fs_json.read_placement(nested) == expected
    assert fs_json.read_placement(nested["id"]) == expected
    assert fs_json.read_placement({"id": nested["id"]}) == expected


@pytest.mark.parametrize(
    "activity",
    [
        UNIT,
        f"{UNIT},",
        "185,IN1000,1,2025,H%C3%98ST,x,1",
        "185,IN,1000,1,2025,H%C3%98ST,1,2-11",  # a comma in the course's code
    ],
)
def test_a_placement_that_cannot_be_read_raises(activity: str) -> None:
    with pytest.raises(BadSourceData):
        fs_json.read_placement(a_placement(activity))


# -- roles -----------------------------------------------------------------------------------------


def test_a_role_is_the_same_in_every_form() -> None:
    role = TeachingRole(number=11, role="LÆRER", unit=KEY, starts_on=date(2025, 8, 2))
    flat = a_role()
    nested = {"id": {n: flat.pop(n) for n in ("href", "person", "rollenummer")}, **flat}
    assert fs_json.read_role(a_role()) == (185, 56154, role)
    assert fs_json.read_role(nested) == (185, 56154, role)


def test_a_role_on_an_activity_names_it() -> None:
    where = ref(f"undervisningsaktiviteter/{UNIT},2-11")
    period = {"fraDato": None, "tilDato": "2025-12-31T00:00:00"}
    found = fs_json.read_role(
        a_role(undervisning=..., undervisningsaktivitet=where, periode=period)
    )
    assert found is not None
    assert (found[2].unit, found[2].actid) == (KEY, "2-11")
    assert (found[2].starts_on, found[2].ends_on) == (None, date(2025, 12, 31))


@pytest.mark.parametrize("period", [None, {}, ...])
def test_a_role_without_a_period_is_open(period: object) -> None:
    found = fs_json.read_role(a_role(periode=period))
    assert found is not None
    assert (found[2].starts_on, found[2].ends_on) == (None, None)


@pytest.mark.parametrize("other", ["studieprogram", "evuKurs"])
def test_roles_on_something_else_than_teaching_are_none(other: str) -> None:
    assert fs_json.read_role(a_role(undervisning=..., **{other: ref(f"{other}/X")})) is None
    assert fs_json.read_role(a_role(undervisning=None, **{other: ref(f"{other}/X")})) is None


def test_with_ids_alone_a_role_tells_what_to_ask_for() -> None:
    bare = {"id": {"href": a_role()["href"], "person": a_person(), "rollenummer": 11}}
    assert not fs_json.tells_role(bare)
    assert fs_json.tells_role(a_role())
    assert fs_json.role_key(bare) == fs_json.role_key(a_role()) == "56154,11"


@pytest.mark.parametrize(
    "changes",
    [
        {"rollenummer": ...},
        {"rolle": "LÆRER"},
        {"periode": {"fraDato": "soon"}},
        {"undervisning": {}},
        {"undervisningsaktivitet": {}},
    ],
    ids=str,
)
def test_a_role_that_cannot_be_read_raises(changes: Json) -> None:
    with pytest.raises(BadSourceData):
        fs_json.read_role(a_role(**changes))


# -- persons ---------------------------------------------------------------------------------------


def test_the_real_collection_of_persons_names_them_and_tells_no_more() -> None:
    [item] = answers.a_person_found()["items"]
    assert fs_json.read_account(item) == Account(fs_number=70_123, username=None, mail=None)


def test_a_person_has_an_account_and_addresses_in_fs_order() -> None:
    mail = (("INSTITUSJON", "o.l.a@uio.example"), ("PRIVAT", "ola@home.example"))
    assert fs_json.read_account(A_PERSON) == Account(fs_number=56154, username="olan", mail=mail)


def test_no_address_is_told_apart_from_not_told() -> None:
    assert fs_json.read_account({**A_PERSON, "epost": []}).mail == ()
    assert fs_json.read_account({**A_PERSON, "epost": None}).mail is None
    odd = [None, {"type": "X"}, {"adresse": 7}, {"adresse": "a" * 256}, {"adresse": " a@x "}]
    assert fs_json.read_account({**A_PERSON, "epost": odd}).mail == (("", "a@x"),)
    for name in ("", None, 7, "\ud800", "a" * 256):
        assert fs_json.read_account({**A_PERSON, "brukernavn": name}).username is None


# -- national identity numbers ---------------------------------------------------------------------

SECRETS = {"fodselsdato": "010180", "personnummer": "12345", "fodselsnummer": "01018012345"}


def with_secrets(value: Any) -> Any:
    """The same, with a national identity number at every level and in every reference."""
    if isinstance(value, list):
        return [with_secrets(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: with_secrets(each) for name, each in value.items()}
    if isinstance(value.get("href"), str):
        inner["href"] = f"{value['href']}?fodselsdato0=010180&personnummer0=12345"
    return {**inner, **SECRETS}


def is_free_of_secrets(text: str) -> bool:
    return not any(secret in text for secret in SECRETS.values())


@pytest.mark.parametrize("item", [A_PERSON, a_registration(), a_placement(), a_role()])
@pytest.mark.parametrize("read", READERS[:4])
def test_national_identity_numbers_are_in_nothing_read_or_raised(
    read: Callable[[Json], object], item: Json
) -> None:
    try:
        expected = read(item)
    except BadSourceData:
        expected = BadSourceData
    try:
        assert read(with_secrets(item)) == expected
        assert is_free_of_secrets(repr(read(with_secrets(item))))
    except BadSourceData as error:
        assert expected is BadSourceData
        assert is_free_of_secrets("".join(traceback.format_exception(error)))  # noqa: PT017


@pytest.mark.parametrize("name", ["fraDato", "tilDato"])
def test_what_cannot_be_read_is_not_quoted(name: str) -> None:
    secret = SECRETS["fodselsnummer"]
    for item in (
        a_role(periode={name: f"x{secret}"}),
        a_role(rollenummer=f"x{secret}"),
        a_role(undervisning=ref(f"undervisning/{secret}")),
        a_role(person={"personlopenummer": secret}),
        a_role(person=ref(f"personer/{secret}")),
    ):
        with pytest.raises(BadSourceData) as caught:
            fs_json.read_role(item)
        assert is_free_of_secrets("".join(traceback.format_exception(caught.value)))


# -- anything --------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({*A_PERSON, *a_registration()["id"], *a_placement()["id"], *a_role(), "id"})
INNER = ["href", "personlopenummer", "adresse", "type", "fraDato"]
items = st.dictionaries(
    st.sampled_from(FIELDS), anything | st.dictionaries(st.sampled_from(INNER), anything)
)


@given(items, st.sampled_from([A_PERSON, a_registration(), a_placement(), a_role()]))
def test_any_item_is_read_or_refused(changes: Json, item: Json) -> None:
    for each in (changes, {**item, **changes}, {"id": {**fs_json.flat(item), **changes}}):
        for read in READERS:
            try:
                read(each)
            except BadSourceData as error:
                assert str(error).startswith("fs: ")  # noqa: PT017


def test_an_offer_status_longer_than_any_makes_a_registration_unreadable() -> None:
    with pytest.raises(BadSourceData):
        fs_json.read_registration({**a_registration(), "tilbudstatus": 17 * "I"})


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00ad", "\u00a0", " ", "\0", "\ud800"])
def test_letters_that_nobody_sees_are_read_over_in_names_and_codes(unseen: str) -> None:
    def odd(text: str) -> str:
        return f"{unseen}{text}{unseen}"

    name, mail = odd("olan"), [{"type": odd("X"), "adresse": odd("o@x")}]
    account = fs_json.read_account({**A_PERSON, "brukernavn": name, "epost": mail})
    assert (account.username, account.mail) == ("olan", (("X", "o@x"),))
    code = quote(unseen, errors="ignore")
    found = fs_json.read_registration(
        a_registration(f"185,{code}IN1000{code},1,2025,H%C3%98ST,1{code}")
    )
    assert found is not None
    assert found[2].unit == UnitKey("IN1000", "1", "25h", 1)
