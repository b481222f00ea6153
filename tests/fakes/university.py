"""A small university with something of everything, what it should look like, and its clients."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import requests

from kalender.config.sections import FsSettings, TpSettings
from kalender.domain.model import (
    Account,
    ActivityKey,
    CourseKey,
    CourseOrganisations,
    PersonFacts,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
)
from kalender.errors import KalenderError
from kalender.sandbox.server import Running
from kalender.sources.fs import Fs
from kalender.sources.http import Http
from kalender.sources.tp import Tp
from tests import answers

ANSWER = answers.a_course("IN5060")
BASE = "https://api.fellesstudentsystem.no"
H25, V26 = Semester.parse("25h"), Semester.parse("26v")
IN5060 = CourseKey("IN5060", "25h")
OSLO = ZoneInfo("Europe/Oslo")
STUDENT, TEACHER, NEWCOMER, NOBODY = 56154, 500001, 7, 99
SECRET = "01018012345"  # a national identity number, in every person FS tells of
Json = dict[str, Any]


def ref(kind: str, *parts: object, **fields: Any) -> Json:
    return {"href": f"{BASE}/{kind}/{','.join(quote(str(p)) for p in parts)}", **fields}


def a_person(number: int, username: str | None = None, **fields: Any) -> Json:
    told = ref("personer", number, personlopenummer=number, fodselsnummer=SECRET, **fields)
    if username is None:
        return told
    mail = [{"type": "INSTITUSJON", "adresse": f"{username}@uio.example"}]
    return {**told, "brukernavn": username, "epost": mail}


def a_registration(status: str, *unit: object) -> Json:
    inner = {
        **ref("studentundervisning", *unit, STUDENT),
        "person": a_person(STUDENT),
        "undervisning": ref("undervisning", *unit),
    }
    return {"id": inner, "tilbudstatus": status}


def a_placement(*activity: object) -> Json:
    where = ref("undervisningsaktiviteter", *activity)
    return {"id": {"person": a_person(STUDENT), "undervisningsaktivitet": where}}


def a_role(number: int, code: str, kind: str, *place: object, **period: str) -> Json:
    where = {"undervisning": "undervisning", "undervisningsaktivitet": "undervisningsaktiviteter"}
    return {
        **ref("personroller", TEACHER, number),
        "person": a_person(TEACHER),
        "rollenummer": number,
        "rolle": ref("roller", code),
        "periode": period,
        kind: ref(where.get(kind, kind), *place),
    }


def a_course(institution: int, code: str, version: int, *departments: int) -> Json:
    units = [ref("organisasjonsenheter", 185, 15, each, 0, type="STUDIE") for each in departments]
    return ref(
        "emner",
        *(institution, code, version),
        institusjon=institution,
        kode=code,
        versjon=str(version),
        organisasjonsenheter=units,
    )


def a_study_right(programme: str, *, active: bool) -> Json:
    inner = {
        **ref("studieretter", 185, programme, 1, STUDENT),
        "person": a_person(STUDENT),
        "studieprogram": ref("studieprogram", 185, programme, kode=programme),
    }
    return {"id": inner, "studierettstatus": {"aktiv": active}}


EMPLOYED = {"aktiv": True, "organisasjonsenhet": ref("organisasjonsenheter", 185, 15, 5, 0)}
FILES: dict[str, list[Json]] = {
    "personer": [
        a_person(STUDENT, "olan", fagperson=None),
        a_person(TEACHER, "kari", fagperson=EMPLOYED),
        a_person(NEWCOMER),
    ],
    "studentundervisning": [
        a_registration("I", 185, "IN1000", 1, 2025, "HØST", 1),
        a_registration("V", 185, "MAT-INF 1.1", "2A", 2025, "HØST", 2),
        a_registration("S", 185, "IN2000", 1, 2026, "VÅR", 1),
        a_registration("I", 215, "ABIO6050", 1, 2025, "HØST", 1),
        a_registration("I", 185, "IN3000", 1, 2025, "SOM", 1),
        a_registration("I", 185, "EKSAMEN1", 1, 2025, "HØST", 1),
    ],
    "studentundervisningsaktivitet": [
        a_placement(185, "IN1000", 1, 2025, "HØST", 1, "2-11"),
        a_placement(185, "IN2000", 1, 2026, "VÅR", 1, "1"),
        a_placement(185, "IN1000", 1, 2024, "HØST", 1, "2-9"),
        a_placement(215, "ABIO6050", 1, 2025, "HØST", 1, "1"),
    ],
    "personroller": [
        a_role(1, "LÆRER", "undervisning", 185, "IN1000", 1, 2025, "HØST", 1, fraDato="2025-08-18"),
        a_role(2, "HJELP", "undervisningsaktivitet", 185, "IN1000", 1, 2025, "HØST", 1, "2-11"),
        a_role(3, "LÆRER", "undervisning", 185, "IN1000", 1, 2026, "VÅR", 1),
        a_role(4, "LÆRER", "undervisning", 185, "IN1000", 1, 2024, "HØST", 1),
        a_role(5, "LÆRER", "studieprogram", "INF"),
    ],
    "emner": [
        a_course(185, "IN1000", 1, 5, 6),
        a_course(185, "IN1000", 2, 7),
        a_course(185, "MAT-INF 1.1", 1),
        a_course(185, "IN9999", 1, 5),
        a_course(215, "ABIO6050", 1, 5),
    ],
    "studieretter": [
        a_study_right("INF-B", active=True),
        a_study_right("MAT-B", active=False),
        a_study_right("LEK-M", active=True),
    ],
}
ORGANISATIONS = [
    CourseOrganisations(
        course="IN1000", version="1", organisations=frozenset({"185,15,5,0", "185,15,6,0"})
    ),
    CourseOrganisations(course="IN1000", version="2", organisations=frozenset({"185,15,7,0"})),
    CourseOrganisations(course="MAT-INF 1.1", version="1", organisations=frozenset()),
]
IN1000 = UnitKey("IN1000", "1", "25h", 1)
FACTS = {
    STUDENT: PersonFacts(
        account=Account(
            fs_number=STUDENT, username="olan", mail=(("INSTITUSJON", "olan@uio.example"),)
        ),
        registrations=(
            Registration(unit=IN1000, offer_status="I"),
            Registration(unit=UnitKey("MAT-INF 1.1", "2A", "25h", 2), offer_status="V"),
            Registration(unit=UnitKey("IN2000", "1", "26v", 1), offer_status="S"),
        ),
        placements=(
            ActivityKey(*IN1000, "2-11"),
            ActivityKey("IN2000", "1", "26v", 1, "1"),
        ),
    ),
    TEACHER: PersonFacts(
        account=Account(
            fs_number=TEACHER, username="kari", mail=(("INSTITUSJON", "kari@uio.example"),)
        ),
        roles=(
            TeachingRole(number=1, role="LÆRER", unit=IN1000, starts_on=date(2025, 8, 18)),
            TeachingRole(number=2, role="HJELP", unit=IN1000, actid="2-11"),
            TeachingRole(number=3, role="LÆRER", unit=UnitKey("IN1000", "1", "26v", 1)),
        ),
    ),
    NEWCOMER: PersonFacts(account=Account(fs_number=NEWCOMER)),
}


def write(directory: Path) -> Path:
    """Write the university's files."""
    (directory / "fs").mkdir()
    (directory / "tp").mkdir()
    told = {"institution": 185, "semester": "25h", "year": 2025, "season": "HØST"}
    (directory / "university.json").write_text(json.dumps(told))
    for name, items in FILES.items():
        lines = "\n".join(json.dumps(item, ensure_ascii=False) for item in items)
        (directory / "fs" / f"{name}.ndjson").write_text(lines, "utf-8")
    (directory / "tp" / "IN5060.json").write_text(json.dumps(ANSWER), "utf-8")
    (directory / "tp" / "EKSAMEN1.json").write_text(json.dumps({"events": []}))
    return directory


def control(sandbox: Running, way: str, path: str, told: Any = None) -> Any:
    """Ask the sandbox's control API."""
    return requests.request(way, sandbox.endpoints.control + path, json=told, timeout=5).json()


class Opened:
    """Clients of one test, with what their hooks heard."""

    def __init__(self, sandbox: Running) -> None:
        self.sandbox = sandbox
        self.heard: list[tuple[str, str]] = []
        self.clients: list[Http] = []

    @contextmanager
    def _hear(self, name: str, *, slots: int = 1, requests: int = 1) -> Iterator[int]:
        try:
            yield slots
        except KalenderError as error:
            self.heard.append((name, type(error).__name__))
            raise
        self.heard.append((name, "ok"))

    def http(self, name: str, **options: Any) -> Http:
        """A client for `fs` or `tp`, with these settings."""
        self.clients.append(Http(name, self._settings(name, options), partial(self._hear, name)))
        return self.clients[-1]

    def _settings(self, name: str, options: Mapping[str, Any]) -> FsSettings | TpSettings:
        url = self.sandbox.endpoints.fs if name == "fs" else self.sandbox.endpoints.tp
        return settings_of(name, url, **options)

    def fs(self, page_size: int = 2, **options: Any) -> Fs:
        made = Fs(
            fs_settings(self.sandbox.endpoints.fs, page_size=page_size, **options),
            institution=185,
            skips=lambda course: "EKSAMEN" in course,
            limiter=partial(self._hear, "fs"),
        )
        self.clients.append(made.http)
        return made

    def tp(self, **options: Any) -> Tp:
        made = Tp(
            tp_settings(self.sandbox.endpoints.tp, **options),
            institution=185,
            zone=OSLO,
            limiter=partial(self._hear, "tp"),
        )
        self.clients.append(made.http)
        return made


def fs_settings(url: str, **options: Any) -> FsSettings:
    """The settings of FS at a URL, by a gateway's key where no user is named."""
    key = {} if "username" in options else {"api_key": "sandbox"}
    return FsSettings.model_validate({"base_url": url, **key, **options})


def tp_settings(url: str, **options: Any) -> TpSettings:
    """The settings of TP at a URL."""
    return TpSettings.model_validate({"base_url": url, "api_key": "sandbox", **options})


def settings_of(name: str, url: str, **options: Any) -> FsSettings | TpSettings:
    """The settings of `fs` or `tp` at a URL."""
    return fs_settings(url, **options) if name == "fs" else tp_settings(url, **options)
