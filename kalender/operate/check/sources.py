"""Tries FS and TP: that they answer, and which of their forms they answer in."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from kalender.config.sections import FsSettings
from kalender.domain.model import CourseKey, Semester
from kalender.errors import BadSourceData, NotFoundInSource
from kalender.operate.check.trial import TrialOutcome, ok, warned
from kalender.ports import Timetables
from kalender.sources import fs_json
from kalender.sources.fs import Fs
from kalender.sources.fs_json import Raw

READERS: Mapping[str, Callable[[Raw], object]] = {
    "personer": fs_json.read_account,
    "studentundervisning": fs_json.read_registration,
    "studentundervisningsaktivitet": fs_json.read_placement,
    "personroller": lambda raw: fs_json.read_role(raw) if fs_json.tells_role(raw) else None,
    "emner": fs_json.read_course,
    "studieretter": fs_json.read_study_right,
}
BARE = frozenset({"id", "href", "rel"})


def fs_forms(fs: Fs, semester: Semester) -> TrialOutcome:
    """Read a first page of each collection; say whether it has its fields, and what is unreadable."""
    unread_collections = {
        *(() if fs.reads_organisations else ("emner",)),
        *(() if fs.reads_programmes else ("studieretter",)),
    }
    names = [name for name in READERS if name not in unread_collections]
    forms = [_form(fs, name, semester) for name in names]
    text = ", ".join(form for form, _ in forms)
    if any(unread for _, unread in forms):
        return warned(text, "have these items mended in FS: they are left out until then")
    return ok(text)


def _form(fs: Fs, name: str, semester: Semester) -> tuple[str, int]:
    """Return a collection's form, and how many items of its first page cannot be read."""
    page = fs.first_page(name, semester)
    unread = sum(not _is_readable(READERS[name], raw) for raw in page)
    if page and unread == len(page):
        raise BadSourceData(f"fs {name}: a page of which nothing can be read")
    if not page:
        return f"{name}: none", 0
    bare = sum(BARE.issuperset(raw) for raw in page)
    form = f"{bare} of {len(page)} with ids alone"
    if bare in (0, len(page)):
        form = "ids alone" if bare else "with fields"
    return f"{name}: {form}{f', {unread} unreadable' if unread else ''}", unread


def _is_readable(reader: Callable[[Raw], object], raw: Raw) -> bool:
    try:
        reader(raw)
    except BadSourceData:
        return False
    return True


def offer_statuses(fs: Fs, semester: Semester, settings: FsSettings) -> TrialOutcome:
    """Count which offer statuses occur on a first page, against what the settings make of them."""
    page = fs.first_page("studentundervisning", semester)
    readable = [raw for raw in page if _is_readable(fs_json.offer_status, raw)]
    counts = Counter(fs_json.offer_status(raw) for raw in readable)
    without_status = counts.pop(None, 0)
    texts = [f"{status} {count}" for status, count in sorted(counts.items(), key=str)]
    text = ", ".join([*texts, f"not told {without_status}"] if without_status else texts)
    if not page:
        return ok(f"no registrations in {semester.code}")
    if settings.offer_status == "collection" and without_status:
        return warned(text, 'set fs.offer_status = "single", or "ignore" where all are to count')
    accepted = set(settings.accepted_offer_statuses)
    if counts and settings.offer_status != "ignore" and not accepted.intersection(counts):
        return warned(text, "none of these is in fs.accepted_offer_statuses: correct it")
    return ok(text)


def tp_courses(tp: Timetables, semester: Semester) -> TrialOutcome:
    """Read TP's list of courses, and one of them whole."""
    courses = tp.courses(semester)
    if not courses:
        remedy = "look at [tp] paths and institution.number, unless TP plans nothing then"
        return warned(f"no courses in {semester.code}", remedy)
    answer = tp.course(CourseKey(courses[0], semester.code))
    words = {True: "published", False: "not published", None: "publishing not told"}
    events = f"the first has {len(answer.events)} events, {len(answer.bad)} unreadable"
    return ok(f"{len(courses)} courses in {semester.code}; {events}, {words[answer.published]}")


def tp_changes(tp: Timetables, since: datetime, *, polled: bool) -> TrialOutcome:
    """Ask for the list of changes; it need not be there where nobody polls it."""
    try:
        courses = tp.changed_since(since)
    except NotFoundInSource:
        if polled:
            raise
        return ok("not served, and not polled")
    return ok(f"served: {len(courses)} courses changed within the hour")
