"""What of a person could not be read is not told: what was known of it stays."""

import json
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote

import pytest

from kalender.domain.model import BadItem
from kalender.domain.work import Kind
from kalender.mirror.context import RefreshContext
from kalender.sources.fs import Fs
from kalender.store import unreadable
from kalender.store.database import Database
from tests.contract.test_sources_http import Answer, fs_of, page
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration


def test_what_an_answer_could_not_tell_stays(migrated_postgresql: str) -> None:
    database = Database(migrated_postgresql)
    house = House(database)
    house.teach(event(1))
    house.enrol(1)
    assert house.settle() == []
    shown = house.shown(1)
    assert len(shown) == 1
    bad = BadItem(collection="studentundervisning", reason="no reference", fs_number=1)
    house.students.facts[1] = replace(house.students.facts[1], registrations=(), bad=(bad,))
    for _ in range(2):
        house.mark(Kind.PERSON, "fs 1")
        assert house.settle() == []
        house.later(15)
    assert house.shown(1) == shown
    database.close()


GOOD = "185,IN1000,1,2025,H%C3%98ST,1"
ODD = ["185,IN,1000,1,2025,H%C3%98ST,1", "185,IN1000,1,2025,H%C3%98ST,first", "185"]


@dataclass
class OverHttp(House):
    """A house whose FS answers over HTTP: two students, each registered at one reference."""

    references: dict[int, str] = field(default_factory=lambda: {1: GOOD, 2: GOOD})
    fs: Fs | None = None

    @property
    def refresh_context(self) -> RefreshContext:
        assert self.fs is not None
        return replace(super().refresh_context, students=self.fs)

    def answer(self, path: str) -> Answer:
        """Answer as FS does, of both or of the one who is asked for."""
        resource, _, rest = path[1:].partition("?")
        collection, _, single = resource.partition("/")
        asked = int(dict(parse_qsl(rest)).get("person.personlopenummer") or single or 0)
        numbers = [asked] if asked else [1, 2]
        if collection == "personer":
            people = [{"personlopenummer": n, "brukernavn": f"user{n}"} for n in numbers]
            return (200, {}, json.dumps(people[0]).encode()) if single else page(*people)
        if collection != "studentundervisning" or "termin=V" in rest:
            return page()
        return page(*map(self._registration, numbers))

    def _registration(self, number: int) -> dict[str, object]:
        place = f"https://fs.example/undervisning/{self.references[number]}"
        named = {"person": {"personlopenummer": number}, "undervisning": {"href": place}}
        return {"id": named, "tilbudstatus": {"href": "https://fs.example/tilbudstatuser/I"}}


@pytest.mark.parametrize("reference", ODD)
def test_a_reference_that_cannot_be_read_costs_a_resync_that_item_alone(
    migrated_postgresql: str, reference: str
) -> None:
    """The other student's teaching follows; the one's stays, and follows what TP tells."""
    database = Database(migrated_postgresql)
    house = OverHttp(database)
    house.teach(event(1))
    with fs_of(house.answer) as (fs, _):
        house.fs = fs
        house.resync()
        assert house.settle() == []
        assert [len(house.shown(number)) for number in (1, 2)] == [1, 1]
        house.references[2] = reference
        house.teach(event(1), event(2))
        for _ in range(2):
            house.resync()
            assert house.settle() == []
    assert [len(house.shown(number)) for number in (1, 2)] == [2, 2]
    with database.read() as connection:
        (bad,) = unreadable.items(connection)
    assert (bad.collection, bad.item) == ("studentundervisning", f"{unquote(reference)},2")
    database.close()
