"""FS: the collections of its REST API, kept as bytes so that a page is a join."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from kalender.sandbox.wire import Answer, Question, answer, dump

PUBLIC = b"https://api.fellesstudentsystem.no"
COLLECTIONS = (
    "personer",
    "studentundervisning",
    "studentundervisningsaktivitet",
    "undervisningsaktiviteter",
    "personroller",
    "emner",
    "studieretter",
)
_PAGE = 100
_FILTERS = {
    "person.personlopenummer": "person",
    "personlopenummer": "person",
    "semester.ar": "year",
    "semester.termin": "season",
    "emne.kode": "code",
    "brukernavn": "username",
    "institusjon": "institution",
    "studieprogram.kode": "programme",
    "studierettstatus.aktiv": "active",
}
_UNDERSTOOD = {"page", "limit", "dbId", "fields"}
_IDS = {
    "personer": ("href", "personlopenummer"),
    "undervisningsaktiviteter": ("href", "undervisning", "aktivitet"),
    "personroller": ("href", "person", "rollenummer"),
    "emner": ("href", "institusjon", "kode", "versjon"),
}
Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Record:
    """One item: its bytes in both forms, and what it can be found by."""

    raw: bytes
    key: str
    facets: Mapping[str, str]
    ids: bytes | None = None


class StudentSystem:
    """What FS knows, by collection and key."""

    def __init__(self, base: str) -> None:
        self.base, self.form = base, "fields"
        self._records: dict[str, dict[str, Record]] = {name: {} for name in COLLECTIONS}
        self._by_person: dict[tuple[str, str], dict[str, Record]] = {}
        self._found: dict[tuple[str, frozenset[tuple[str, str]]], list[Record]] = {}

    def load(self, directory: Path) -> None:
        """Read a university's files."""
        for name in COLLECTIONS:
            path = directory / "fs" / f"{name}.ndjson"
            lines = path.read_bytes().splitlines() if path.exists() else []
            for line in lines:
                self._keep(name, line, json.loads(line))

    def addresses(self) -> Iterator[str]:
        """Give the institution's addresses of everybody."""
        for record in self._records["personer"].values():
            yield from addresses_of(json.loads(record.raw))

    def put(self, collection: str, item: Json) -> str:
        """Add or replace an item; return its key."""
        self._found.clear()
        return self._keep(collection, dump(item), item)

    def delete(self, collection: str, item: Json) -> bool:
        """Remove the item of that id, if there is one."""
        self._found.clear()
        key = _key(collection, _flat(item))
        record = self._records[collection].pop(key, None)
        if record is not None:
            self._by_person[collection, record.facets.get("person", "")].pop(key, None)
        return record is not None

    def of_person(self, collection: str, person: str) -> list[Json]:
        """Return the items as they are kept, of one person or, without one, all."""
        held = self._by_person.get((collection, person), {}) if person else None
        records = self._records[collection] if held is None else held
        return [json.loads(record.raw) for record in records.values()]

    def operation(self, question: Question) -> str:
        """Name the collection that is asked."""
        return next((p for p in reversed(question.parts) if p in COLLECTIONS), "")

    def answer(self, question: Question) -> Answer:
        """Answer a GET."""
        *before, last = question.parts or [""]
        if last == "version":
            return answer({"version": "sandbox", "api": "fs-api"})
        if last in COLLECTIONS:
            return self._collection(last, question)
        if before and before[-1] in COLLECTIONS:
            return self._single(before[-1], last)
        return _error(404, f"no resource {question.path}")

    def _keep(self, collection: str, line: bytes, item: Json) -> str:
        flat = _flat(item)
        facets = _facets(flat)
        key = _key(collection, flat)
        raw = line.strip().replace(PUBLIC, self.base.encode())
        record = self._records[collection][key] = Record(raw, key, facets)
        self._by_person.setdefault((collection, facets.get("person", "")), {})[key] = record
        return key

    def _single(self, collection: str, key: str) -> Answer:
        record = self._records[collection].get(key)
        if record is None:
            return _error(404, f"no {collection} {key}")
        return answer(_flat(json.loads(record.raw)), items=1)

    def _collection(self, name: str, question: Question) -> Answer:
        query = question.query
        wanted: dict[str, str] = {}
        for given, value in query.items():
            facet = next((f for end, f in _FILTERS.items() if given.endswith(end)), None)
            if facet is None and given not in _UNDERSTOOD:
                return _error(400, f"unknown parameter {given}")
            wanted |= {facet: value} if facet else {}
        try:
            page, limit = int(query.get("page", 1)), int(query.get("limit", _PAGE))
        except ValueError:
            return _error(400, "page and limit are numbers")
        found = self._matching(name, wanted)
        shown = found[(page - 1) * limit : page * limit] if limit else found
        head = self._head(name, question, (page, limit, len(found)))
        items = b",".join(self._shown(name, record) for record in shown)
        return Answer(200, dump(head)[:-1] + b',"items":[' + items + b"]}", items=len(shown))

    def _matching(self, name: str, wanted: dict[str, str]) -> list[Record]:
        question = (name, frozenset(wanted.items()))
        if question in self._found:
            return self._found[question]
        held = self._records[name]
        if "person" in wanted:
            held = self._by_person.get((name, wanted["person"]), {})
        found = [r for r in held.values() if all(r.facets.get(k) == v for k, v in wanted.items())]
        if "person" not in wanted:
            self._found[question] = found
        return found

    def _head(self, name: str, question: Question, where: tuple[int, int, int]) -> Json:
        page, limit, size = where
        here = f"{self.base}/{name}"
        last = max(1, -(-size // limit)) if limit else 1
        head: Json = {"href": here, "rel": ["collection"], "page": page, "limit": limit}
        head["size"] = size
        rest = [(k, v) for k, v in question.query.items() if k not in {"page", "limit"}]
        pages = {"first": 1, "previous": page - 1, "next": page + 1, "last": last}
        for word, number in pages.items():
            if size and 1 <= number <= last:
                query = urlencode([*rest, ("page", number), ("limit", limit)])
                head[word] = {"href": f"{here}?{query}", "rel": ["collection"]}
        return head

    def _shown(self, name: str, record: Record) -> bytes:
        if self.form == "fields":
            return record.raw
        if record.ids is None:
            item = json.loads(record.raw)
            inner = item.get("id") or {k: item[k] for k in _IDS[name] if k in item}
            record.ids = dump({"id": inner})
        return record.ids


def addresses_of(person: Json) -> Iterator[str]:
    """Give a person's addresses, private ones apart."""
    for address in person.get("epost") or []:
        if address.get("type") != "PRIVAT" and "@" in (address.get("adresse") or ""):
            yield address["adresse"].lower()


def _flat(item: Json) -> Json:
    """Return the single form of an item: what the collection nests under `id` stands beside."""
    return {**(item.get("id") or {}), **{k: v for k, v in item.items() if k != "id"}}


def _ref(href: str) -> str:
    return unquote(href.rpartition("/")[2])


def _key(collection: str, flat: Json) -> str:
    if collection == "personer":
        return str(flat["personlopenummer"])
    person = str((flat.get("person") or {}).get("personlopenummer", ""))
    if collection == "studentundervisningsaktivitet":
        return f"{person}|{_ref(flat['undervisningsaktivitet']['href'])}"
    if collection == "personroller":
        return f"{person},{flat['rollenummer']}"
    return (
        _ref(flat["href"]) if "href" in flat else f"{_ref(flat['undervisning']['href'])},{person}"
    )


def _facets(flat: Json) -> dict[str, str]:
    person = flat.get("person") or flat
    facets = {
        "person": str(person.get("personlopenummer", "")),
        "username": str(flat.get("brukernavn") or ""),
    }
    unit = flat.get("undervisning") or flat.get("undervisningsaktivitet")
    if unit:
        _, code, _, year, season, *_ = _ref(unit["href"]).split(",")
        facets |= {"code": code, "year": year, "season": season}
    if "institusjon" in flat:
        facets["institution"] = str(flat["institusjon"])
    if "studierettstatus" in flat:
        facets["programme"] = str(flat["studieprogram"]["kode"])
        facets["active"] = str(flat["studierettstatus"]["aktiv"]).lower()
    return facets


def _error(status: int, words: str) -> Answer:
    created = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
    return answer({"status": status, "errors": [words], "created": created}, status)


def reference(*parts: object) -> str:
    """Write a reference as FS does: parts between commas, letters percent-encoded."""
    return ",".join(quote(str(part)) for part in parts)
