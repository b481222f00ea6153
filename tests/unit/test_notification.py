import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kalender.domain.notification import FURTHEST, LARGEST, USUAL, Pattern, parse
from kalender.domain.work import Cause, Kind, Mark, WorkKey
from kalender.errors import NotificationError

SAMPLES = Path("tests/data/notifications")
SOURCES = Path("docs/sources.md")
NOW = datetime(2025, 8, 18, 6, tzinfo=UTC)
LATER = datetime(2025, 9, 1, tzinfo=UTC)
IN1000 = WorkKey.of_course("IN1000", "25h")


def read(body: object, *patterns: Pattern, routing_key: str = "no.uio.fs.x") -> list[Mark]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse(raw, routing_key, (*patterns, *USUAL), now=NOW, reason="told")


def named(body: object, *patterns: Pattern) -> list[WorkKey]:
    return [WorkKey(each.kind, each.key) for each in read(body, *patterns)]


def refused(body: object, *patterns: Pattern) -> str:
    with pytest.raises(NotificationError) as caught:
        read(body, *patterns)
    return str(caught.value)


# -- the forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "subject"),
    [
        ("fs-personer-update", WorkKey.of_person(56154)),
        ("cerebrum-scim", WorkKey.of_account("1234")),
        ("felles-iam-scim", WorkKey.of_account("uhid-12345")),
        ("cloudevents", WorkKey.of_account("123456")),
    ],
)
def test_what_the_systems_send_is_read(sample: str, subject: WorkKey) -> None:
    assert named((SAMPLES / f"{sample}.json").read_bytes()) == [subject]


@pytest.mark.parametrize(
    ("sub", "subject"),
    [
        ("personer/56154", WorkKey.of_person(56154)),
        ("https://api.example.org/personer/56154?dbId=true", WorkKey.of_person(56154)),
        ("personroller/185498,11", WorkKey.of_person(185498)),
        ("studentundervisning/185,IN1000,1,2025,H%C3%98ST,1,56154", WorkKey.of_person(56154)),
        ("studentundervisning/185,IN1000,1,2025,HØST,1,56154", WorkKey.of_person(56154)),
        ("studentundervisning/185%2CIN1000%2C1%2C2025%2CV%C3%85R%2C1%2C7", WorkKey.of_person(7)),
        ("studentundervisningsaktivitet/185,IN1000,1,2025,HØST,1,2-11,7", WorkKey.of_person(7)),
        ("studentundervisningsaktiviteter/185,IN1000,1,2025,HØST,1,2-11,7", WorkKey.of_person(7)),
        ("undervisning/185,IN1000,1,2025,H%C3%98ST,1", IN1000),
        ("undervisning/185,IN1000,1,2025,Høst,1", IN1000),
        ("undervisning/185,IN1000,1,2026,VA\u030aR,1", WorkKey.of_course("IN1000", "26v")),
        ("undervisningsaktiviteter/185,IN1000,1,2025,H%C3%98ST,1,2-11", IN1000),
        ("course/IN1000,25h,1", IN1000),
        ("course/IN1000,25H", IN1000),
        ("course/IN1000", WorkKey.of_course("IN1000", None)),
        ("https://cerebrum.example.org/v1/accounts/olan/", WorkKey.of_account("olan")),
        ("https://gw.example.org/scim/v2/Users/olan@uio.no", WorkKey.of_account("olan")),
    ],
)
def test_a_subject_is_read_from_its_path(sub: str, subject: WorkKey) -> None:
    assert named({"sub": sub}) == [subject]


def test_the_key_beside_the_subject_is_not_believed() -> None:
    assert named({"sub": "personer/1", "person_id": "2", "personer_id": "3"}) == [
        WorkKey.of_person(1)
    ]


def test_tps_bare_element_names_a_course() -> None:
    element = {"id": "INF-1100", "semesterid": "18v", "terminnr": 1, "lastchanged": "x"}
    assert named(element) == [WorkKey.of_course("INF-1100", "18v")]


def test_a_mark_says_whose_notification_it_was() -> None:
    (course,), (person,) = read({"sub": "course/IN1000,25h"}), read({"sub": "personer/1"})
    assert (course.cause, person.cause) == (Cause.TP_NOTIFICATION, Cause.FS_NOTIFICATION)


def test_each_notification_that_the_documents_show_works() -> None:
    shown = re.findall(r"^kalender publish QUEUE '(.+)'$", SOURCES.read_text("utf-8"), re.MULTILINE)
    subjects = [named(body.encode()) for body in shown]
    assert subjects == [[WorkKey.of_person(56154)], [IN1000], [IN1000]]


@pytest.mark.parametrize("body", [b"accounts/123456", b" accounts/123456\n", b'"accounts/123456"'])
def test_plain_text_is_a_subject(body: bytes) -> None:
    assert named(body) == [WorkKey.of_account("123456")]


def test_a_byte_order_mark_is_no_hindrance() -> None:
    assert named(b"\xef\xbb\xbf" + b'{"sub":"personer/1"}') == [WorkKey.of_person(1)]


def test_several_uris_are_several_subjects_each_once() -> None:
    uris = ["x/Users/kari", "x/Groups/7", "x/Users/ola", "x/Users/kari", 3]
    assert named({"resourceUris": uris}) == [WorkKey.of_account("kari"), WorkKey.of_account("ola")]


def test_keys_are_those_of_the_marks() -> None:
    subjects: list[WorkKey] = [IN1000, WorkKey.of_person(7), WorkKey.of_account("ola")]
    subjects.append(WorkKey.of_course("IN1000", None))
    assert subjects == [
        (Kind.COURSE, "IN1000 25h"),
        (Kind.PERSON, "fs 7"),
        (Kind.PERSON, "username ola"),
        (Kind.COURSE, "IN1000 *"),
    ]


# -- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        {"nbf": int(LATER.timestamp())},
        {"nbf": LATER.timestamp()},
        {"nbf": str(int(LATER.timestamp() * 1000))},
        {"nbf": int(LATER.timestamp() * 1000)},
        {"nbf": "2025-09-01T02:00:00+02:00"},
        {"gyldigEtter": "2025-09-01"},
        {"gyldigEtter": "2025-09-01T00:00:00Z"},
        {"nbf": "soon", "gyldigEtter": "2025-09-01"},
    ],
)
def test_a_future_date_is_when_it_is_due(told: dict[str, object]) -> None:
    assert read({"sub": "personer/1", **told})[0].due_at == LATER


@pytest.mark.parametrize("nbf", [0, 1458496404, "1539075071295", "soon", None, [], True, 1e300])
@pytest.mark.parametrize("key", ["nbf", "gyldigEtter", "iat"])
def test_what_is_past_or_no_date_is_due_now(key: str, nbf: object) -> None:
    assert read({"sub": "personer/1", key: nbf})[0].due_at is None


@pytest.mark.parametrize("nbf", ["NaN", "Infinity", "-1e400", "9" * 400])
def test_a_number_that_is_no_date_is_due_now(nbf: str) -> None:
    assert read(f'{{"sub":"personer/1","nbf":{nbf}}}'.encode())[0].due_at is None


def test_what_is_due_in_a_far_future_is_looked_at_within_a_year_or_so() -> None:
    assert read({"sub": "personer/1", "nbf": "9999-12-31"})[0].due_at == NOW + FURTHEST
    assert timedelta(days=365) <= FURTHEST


# -- the operator's patterns -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "text", "subject"),
    [
        (r"^emne/(?P<course>[^/]+)/(?P<semester>.+)$", "emne/IN1000/25h", IN1000),
        (
            r"(?P<course>\w+)/(?P<year>\d+)/(?P<term>\w+)",
            "IN1000/2025/høst",
            IN1000,
        ),
        (r"fnr=(?P<person>\d+)", "lookup?fnr=77", WorkKey.of_person(77)),
        (r"\?id=(?P<course>[^&]+)&sem=(?P<semester>...)", "c.php?id=IN1000&sem=25h", IN1000),
        (r"^personer/(?P<username>.+)", "personer/ola", WorkKey.of_account("ola")),
    ],
)
def test_the_operator_says_what_else_names_a_subject(
    expression: str, text: str, subject: WorkKey
) -> None:
    assert named({"sub": text}, Pattern(subject=re.compile(expression))) == [subject]


def test_a_pattern_holds_for_its_routing_keys_alone() -> None:
    pattern = Pattern(routing_key="no.*.tp.#", subject=re.compile("(?P<course>.+)"))
    body = b'{"sub":"IN1000"}'
    assert parse(body, "no.uio.tp.#", [pattern], now=NOW, reason="told")
    with pytest.raises(NotificationError):
        parse(body, "no.uio.fs.x", [pattern], now=NOW, reason="told")


@pytest.mark.parametrize("expression", ["x", "(?P<semester>x)", "(?P<person>x)(?P<colour>y)"])
def test_a_pattern_names_a_subject_and_nothing_strange(expression: str) -> None:
    with pytest.raises(ValueError, match="named group"):
        Pattern(subject=re.compile(expression))


@pytest.mark.parametrize(
    ("group", "text"),
    [("person", "x1"), ("person", "01019912345"), ("username", "a b"), ("course", "A B")],
)
def test_a_pattern_that_catches_nonsense_marks_nothing(group: str, text: str) -> None:
    pattern = Pattern(subject=re.compile(f"(?P<{group}>.*)"))
    assert refused({"sub": text}, pattern) == "a name that cannot be read"


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "neither JSON nor the plain text of a subject"),
        (b"ola was here", "neither JSON nor the plain text of a subject"),
        (b"{", "neither JSON nor the plain text of a subject"),
        (b'{"nbf":' + b"9" * 5000 + b"}", "neither JSON nor the plain text of a subject"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * LARGEST, "nested too deeply"),
        (b'{"a":' * 9000 + b"1" + b"}" * 9000, "nested too deeply"),
        (b" " * (LARGEST + 1), "larger than 64 KiB"),
        (b"[]", "not a form of notification that is known"),
        (b"null", "not a form of notification that is known"),
        (b'{"sub":7}', "not a form of notification that is known"),
        (b'{"id":"IN1000"}', "not a form of notification that is known"),
        (b'{"resourceUris":[]}', "not a form of notification that is known"),
        (b'{"resourceUris":["x/Groups/1"]}', "not a resource that concerns calendars"),
        (b'{"sub":"emner/185,IN1000,1"}', "not a resource that concerns calendars"),
        (b'{"sub":"vurdering/1"}', "not a resource that concerns calendars"),
        (b'{"sub":"personer/"}', "not a resource that concerns calendars"),
        (b'{"sub":"personer/x"}', "not a resource that concerns calendars"),
        (b'{"sub":"xpersoner/1"}', "not a resource that concerns calendars"),
        (b'{"sub":"personer/\\u0000"}', "not a resource that concerns calendars"),
        (b'{"sub":"accounts/\\ud800"}', "not a resource that concerns calendars"),
        (b'{"sub":"accounts/%00"}', "not a resource that concerns calendars"),
        (b'{"sub":"' + b"x/" * 400 + b'accounts/a"}', "not a resource that concerns calendars"),
        (b'{"sub":"course/IN1000,sommer"}', "a semester that cannot be read, or that TP does"),
        (b'{"sub":"undervisning/185,A,1,2025,SOM,1"}', "a semester that cannot be read, or that"),
    ],
)
def test_what_names_nothing_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    assert refused(body).startswith(reason)


def test_a_national_identity_number_is_never_a_person() -> None:
    assert refused({"sub": "personer/01019912345"}) == "not a resource that concerns calendars"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
PATHS = st.text(
    alphabet="personerundervisningcourseaccounts/,%0123456789ØhÅ *@?#\ud800", max_size=60
)
FORMS = st.fixed_dictionaries(
    {},
    optional={
        "sub": ANYTHING | PATHS,
        "subject": ANYTHING | PATHS,
        "resourceUris": ANYTHING | st.lists(PATHS),
        "id": ANYTHING | PATHS,
        "semesterid": ANYTHING | PATHS,
        "nbf": ANYTHING,
        "gyldigEtter": ANYTHING,
    },
)


def attempt(body: bytes, routing_key: str) -> list[Mark] | NotificationError:
    try:
        return parse(body, routing_key, USUAL, now=NOW, reason="told")
    except NotificationError as error:
        return error


def is_read_or_refused(body: bytes, routing_key: str) -> None:
    found = attempt(body, routing_key)
    if isinstance(found, NotificationError):
        assert str(found)
        return
    assert found
    for each in found:
        each.key.encode()
        assert each.key.isprintable()
        assert each.due_at is None or NOW < each.due_at <= NOW + FURTHEST


@given(st.binary(max_size=200), st.text(max_size=20))
@example(b"[" * LARGEST, "")
def test_any_bytes_are_read_or_refused(body: bytes, routing_key: str) -> None:
    is_read_or_refused(body, routing_key)


@given(FORMS)
def test_any_message_of_a_known_form_is_read_or_refused(message: dict[str, object]) -> None:
    is_read_or_refused(json.dumps(message).encode(), "")


@given(PATHS)
def test_a_reason_holds_nothing_of_the_message(path: str) -> None:
    marked = f"hemmelig{path}"
    found = attempt(json.dumps({"sub": marked}).encode(), marked)
    if isinstance(found, NotificationError):
        assert "hemmelig" not in str(found)
        assert found.__cause__ is None
        assert found.__context__ is None


@pytest.mark.parametrize(
    "unseen", ["\u200b", "\ufeff", "\u00ad", "\u00a0", "\0", "%E2%80%8B", "%00"]
)
def test_letters_that_nobody_sees_are_read_over(unseen: str) -> None:
    assert named({"sub": f"course/{unseen}IN1000{unseen},25h,1"}) == [IN1000]
    assert named({"sub": f"personer/{unseen}56154{unseen}"}) == [WorkKey.of_person(56154)]
    assert named({"sub": f"accounts/{unseen}olan{unseen}"}) == [WorkKey.of_account("olan")]
