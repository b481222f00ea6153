"""FS, the student system: the old FS-API (REST), by person and by collection.

Collections come in two forms, with their fields and with ids alone; single answers are flat. One
reader takes all three. What FS does not list it does not hold: an answer that is not whole raises,
and so does one about others than asked for, as from a server that does not know a filter. An item
that cannot be read is left out and told; of that person, what its collection lacks is then not
told. A page of which nothing can be read is no answer, and raises. Only a person or one registration
can be unknown; any other 404 is a wrong path, never an empty answer.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import parse_qsl, quote

from kalender.config.sections import FsSettings
from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    CourseOrganisations,
    PersonFacts,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
    folded,
)
from kalender.domain.neighbour import FS
from kalender.errors import (
    BadSourceData,
    NeighbourUnavailable,
    NotFoundInSource,
    TransientError,
)
from kalender.ports import AroundRequest, LeftOut, unlimited
from kalender.sources import fs_json
from kalender.sources.fs_json import Raw
from kalender.sources.http import Http

FEW = 10
OTHERS = "fs: an answer about somebody else than asked for"
Fact = TypeVar("Fact", Registration, ActivityKey, TeachingRole, str)
Item = TypeVar("Item")


def _unheard(_bad: BadItem) -> None:
    pass


class Fs:
    """FS behind its gateway.

    Left out are registrations of other institutions, and of courses that `skips` says are none of
    ours.
    """

    def __init__(
        self,
        settings: FsSettings,
        *,
        institution: int,
        skips: Callable[[str], bool] = lambda _course: False,
        limiter: AroundRequest = unlimited,
    ) -> None:
        self.http = Http(FS, settings, limiter)
        self.institution = institution
        self.page_size = settings.page_size
        self.skips = skips
        self.paths = settings.paths.model_dump()
        self.reads_organisations = settings.organisations
        self.reads_programmes = settings.programmes

    # -- one person -------------------------------------------------------------------------------

    def person(self, fs_number: int, semesters: Iterable[Semester]) -> PersonFacts:
        """Return all that FS says of a person; NotFoundInSource where FS knows none such."""
        try:
            account = self._account(self._single("personer", str(fs_number)))
        except NotFoundInSource:
            self._page("personer", {"page": "1", "limit": "1"})  # a wrong path is a 404 here too
            raise
        if account.fs_number != fs_number:
            raise BadSourceData(OTHERS)
        by_code = {semester.code: semester for semester in sorted(set(semesters))}
        query = {"person.personlopenummer": str(fs_number)}
        bad: list[BadItem] = []
        registrations = [
            fact
            for code, semester in by_code.items()
            for fact in _of(
                fs_number, self._registrations({**query, **_of_unit(semester)}, bad.append)
            )
            if fact.unit.semester == code
        ]
        placements = list(_of(fs_number, self._placements(query, bad.append)))
        roles = [
            role
            for year in sorted({semester.year for semester in by_code.values()})
            for role in _of(fs_number, self._roles({**query, "semester.ar": str(year)}, bad.append))
            if role.unit.semester in by_code
        ]
        programmes, unread = None, list[BadItem]()  # which keep nobody from the right calendar
        if self.reads_programmes:
            programmes = frozenset(_of(fs_number, self._study_rights(query, unread.append)))
        return PersonFacts(
            account=account,
            registrations=tuple(registrations),
            placements=tuple(key for key in placements if key.semester in by_code),
            roles=tuple(roles),
            programmes=None if unread else programmes,
            bad=tuple(replace(bad_item, fs_number=fs_number) for bad_item in bad),
        )

    def find_username(self, username: str) -> int | None:
        """Return the FS number of an account; None where FS lists none."""
        query = {"brukernavn": username, "page": "1", "limit": str(FEW)}
        page = self._page("personer", query)[0][:FEW]
        for account in self._read("personer", page, fs_json.read_account, _unheard):
            if account.username is None:
                name = fs_json.read_account(
                    self._whole("personer", str(account.fs_number))
                ).username
            else:
                name = account.username
            if name is not None and name.lower() == username.lower():
                return account.fs_number
        return None

    def offer_status(self, fs_number: int, unit: UnitKey) -> str | None:
        """Ask for one registration singly; None where even that does not tell."""
        semester = Semester.parse(unit.semester)
        parts = (self.institution, unit.course, unit.version, semester.year, semester.term)
        key = ",".join(quote(str(p), safe="") for p in (*parts, unit.term_number, fs_number))
        answer = self._single("studentundervisning", key)
        try:
            return fs_json.offer_status(answer)
        except BadSourceData:  # the one field that was asked for
            return None

    # -- by collection ----------------------------------------------------------------------------

    def accounts(self, left_out: LeftOut = _unheard) -> Iterator[Sequence[Account]]:
        """Read all persons, a page at a time."""
        for page in self._pages("personer", {}):
            yield list(self._read("personer", page, self._account, left_out))

    def registrations(
        self, semester: Semester, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, Registration]]]:
        """Read all registrations of a semester, a page at a time."""
        facts = self._registrations(_of_unit(semester), left_out)
        facts_of_semester = (
            (n, registration)
            for n, registration in facts
            if registration.unit.semester == semester.code
        )
        yield from _paged(facts_of_semester, self.page_size)

    def placements(
        self, semester: Semester, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, ActivityKey]]]:
        """Read all placements of a semester, a page at a time."""
        facts = self._placements(_of_unit(semester), left_out)
        facts_of_semester = ((n, key) for n, key in facts if key.semester == semester.code)
        yield from _paged(facts_of_semester, self.page_size)

    def roles(
        self, semester: Semester, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, TeachingRole]]]:
        """Read all teaching roles of a semester, a page at a time."""
        query = {"semester.ar": str(semester.year), "semester.termin": semester.term}
        facts = self._roles(query, left_out)
        facts_of_semester = ((n, role) for n, role in facts if role.unit.semester == semester.code)
        yield from _paged(facts_of_semester, self.page_size)

    def programmes(
        self, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, str]]] | None:
        """Read all active study rights, a page at a time; None where they are not read."""
        if not self.reads_programmes:
            return None
        return _paged(self._study_rights({}, left_out), self.page_size)

    def course_organisations(
        self, courses: Collection[str], left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[CourseOrganisations]] | None:
        """Read the units of these courses, a page at a time; None where they are not read.

        With ids alone each of these courses is asked for singly.
        """
        if not self.reads_organisations:
            return None
        wanted = {folded(course) for course in courses}

        def read(raw: Raw) -> CourseOrganisations | None:
            institution, code, version, told = fs_json.read_course(raw)
            if institution != self.institution or folded(code) not in wanted:
                return None
            if told is None:
                key = ",".join(quote(part, safe="") for part in (str(institution), code, version))
                told = fs_json.read_course(self._whole("emner", key))[-1]
            return told

        pages = self._pages("emner", {"institusjon": str(self.institution)})
        return (
            [told for told in self._read("emner", page, read, left_out) if told is not None]
            for page in pages
        )

    def _account(self, raw: Raw) -> Account:
        """Read a person; which unit employs them only where organisations are read."""
        account = fs_json.read_account(raw)
        return account if self.reads_organisations else replace(account, organisation=None)

    def _study_rights(
        self, query: Mapping[str, str], left_out: LeftOut
    ) -> Iterator[tuple[int, str]]:
        active = {**query, "studierettstatus.aktiv": "true"}
        for page in self._pages("studieretter", active):
            for right in self._read("studieretter", page, fs_json.read_study_right, left_out):
                if right is not None:
                    yield right

    def _registrations(
        self, query: Mapping[str, str], left_out: LeftOut
    ) -> Iterator[tuple[int, Registration]]:
        name = "studentundervisning"
        for page in self._pages(name, query):
            for fact in self._read(name, page, fs_json.read_registration, left_out):
                if fact is not None and self._is_ours(fact[0], fact[2].unit.course):
                    yield fact[1], fact[2]

    def _placements(
        self, query: Mapping[str, str], left_out: LeftOut
    ) -> Iterator[tuple[int, ActivityKey]]:
        name = "studentundervisningsaktivitet"
        for page in self._pages(name, query):
            for fact in self._read(name, page, fs_json.read_placement, left_out):
                if fact is not None and self._is_ours(fact[0], fact[2].course):
                    yield fact[1], fact[2]

    def _roles(
        self, query: Mapping[str, str], left_out: LeftOut
    ) -> Iterator[tuple[int, TeachingRole]]:
        name = "personroller"

        def read(raw: Raw) -> tuple[int, int, TeachingRole] | None:
            if fs_json.tells_role(raw):
                return fs_json.read_role(raw)
            return fs_json.read_role(self._whole(name, fs_json.role_key(raw)))  # ids alone

        for page in self._pages(name, query):
            for fact in self._read(name, page, read, left_out):
                if fact is not None and self._is_ours(fact[0], fact[2].unit.course):
                    yield fact[1], fact[2]

    def _read(
        self,
        resource: str,
        page: Sequence[Raw],
        reader: Callable[[Raw], Item],
        left_out: LeftOut,
    ) -> Iterator[Item]:
        """Read a page's items; those that cannot be read are told to `left_out`."""
        unread = 0
        for raw in page:
            try:
                value = reader(raw)
            except BadSourceData as error:
                unread += 1
                left_out(fs_json.bad_item(resource, raw, str(error)))
                if unread == len(page) > FEW:
                    text = f"fs {resource}: a page of which nothing can be read"
                    raise BadSourceData(text) from None
            else:
                yield value

    def first_page(self, resource: str, semester: Semester) -> Sequence[Raw]:
        """Return the first page of a collection as it came, to look at its form."""
        role = {"semester.ar": str(semester.year), "semester.termin": semester.term}
        of_all: dict[str, dict[str, str]] = {
            "personer": {},
            "personroller": role,
            "emner": {"institusjon": str(self.institution)},
            "studieretter": {"studierettstatus.aktiv": "true"},
        }
        filters = of_all.get(resource, _of_unit(semester))
        return self._page(resource, {**filters, "page": "1", "limit": str(self.page_size)})[0]

    def _is_ours(self, institution: int, course: str) -> bool:
        return institution == self.institution and not self.skips(course)

    # -- answers ----------------------------------------------------------------------------------

    def _single(self, resource: str, key: str) -> Raw:
        answer = self.http.get_json(f"{self.paths[resource]}/{key}")
        if not isinstance(answer, dict):
            raise BadSourceData(f"fs {resource}: an answer that is no object")
        return answer

    def _whole(self, resource: str, key: str) -> Raw:
        """Ask singly for what a collection just listed by its id."""
        try:
            return self._single(resource, key)
        except NotFoundInSource as error:
            raise TransientError(f"{error}, though listed just now") from None

    def _pages(self, resource: str, query: Mapping[str, str]) -> Iterator[list[Raw]]:
        """Follow `next` until there is none, on our own address only; whole or an error."""
        query_of_page: dict[str, str] = {**query, "page": "1", "limit": str(self.page_size)}
        earlier_queries: set[frozenset[tuple[str, str]]] = set()
        before: list[Raw] | None = None
        count = 0
        while True:
            earlier_queries.add(frozenset(query_of_page.items()))
            page, size, following = self._page(resource, query_of_page)
            count += len(page)
            yield page
            if following is None:
                # `size` counts all items or those of a page: FS' documentation does not say which.
                if size is not None and size not in (count, len(page)):
                    raise TransientError(f"fs {resource}: {count} of {size} items came")
                return
            query_of_page = {**query_of_page, **following, **query}
            if page == before or frozenset(query_of_page.items()) in earlier_queries:
                raise TransientError(f"fs {resource}: a page that repeats")
            before = page

    def _page(
        self, resource: str, query: Mapping[str, str]
    ) -> tuple[list[Raw], int | None, dict[str, str] | None]:
        """Return a page, its size as FS tells it, and the query of the page that follows, if any."""
        try:
            answer = self.http.get_json(self.paths[resource], query)
        except NotFoundInSource as error:
            text = f"{error}; check base_url and paths of [{self.http.name}]"
            raise NeighbourUnavailable(self.http.name, text) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise BadSourceData(f"fs {resource}: an answer without a list of items")
        page: list[Raw] = [
            element if isinstance(element, dict) else {} for element in answer["items"]
        ]
        size, link = answer.get("size"), answer.get("next")
        href = link.get("href") if isinstance(link, dict) else None
        if link is not None and not isinstance(href, str):
            raise BadSourceData("fs: a next page without its address")
        following = None if href is None else dict(parse_qsl(href.partition("?")[2]))
        return page, size if isinstance(size, int) else None, following


def _of_unit(semester: Semester) -> dict[str, str]:
    return {
        "undervisning.semester.ar": str(semester.year),
        "undervisning.semester.termin": semester.term,
    }


def _paged(facts: Iterable[tuple[int, Fact]], size: int) -> Iterator[Sequence[tuple[int, Fact]]]:
    page: list[tuple[int, Fact]] = []
    for fact in facts:
        page.append(fact)
        if len(page) >= size:
            yield page
            page = []
    if page:
        yield page


def _of(fs_number: int, facts: Iterable[tuple[int, Fact]]) -> Iterator[Fact]:
    """Return the facts; BadSourceData where one is about somebody else."""
    for number, fact in facts:
        if number != fs_number:
            raise BadSourceData(OTHERS)
        yield fact
