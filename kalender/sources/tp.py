"""TP, the timetable system: courses with all their events, and which courses changed.

Form: UiO's `ws/1.4/open/?type=course` and `ws/1.4/course.php`, with the same flat events; what
fields mean was measured on UiO's answers of autumn 2025. `eventid` is neither stable nor unique
in an answer, `room` is a list or null, offsets have no minutes, `party` says nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from urllib.parse import quote
from zoneinfo import ZoneInfo

from kalender.config.sections import TpSettings
from kalender.domain.model import (
    BadEvent,
    CourseAnswer,
    CourseKey,
    Semester,
    TeachingEvent,
    folded,
)
from kalender.domain.neighbour import TP
from kalender.domain.text import without_unseen
from kalender.errors import BadSourceData
from kalender.ports import AroundRequest, unlimited
from kalender.sources.http import Http
from kalender.sources.tp_codes import is_matched, semester_of
from kalender.sources.tp_json import UnreadableEventError, read_event

FEW, LONGEST_CODE = 10, 64  # items of a list; what a database's column holds
OnLeftOut = Callable[[str, str], None]  # list, reason


class Tp:
    """TP behind its gateway."""

    def __init__(
        self,
        settings: TpSettings,
        *,
        institution: int,
        zone: ZoneInfo,
        on_left_out: OnLeftOut = lambda _list, _reason: None,
        limiter: AroundRequest = unlimited,
    ) -> None:
        self.on_left_out = on_left_out
        self.http = Http(TP, settings, limiter)
        self.institution = institution
        self.zone = zone
        self.skip = settings.skip
        self.paths = settings.paths.model_dump()

    def _get(self, path: str, **values: object) -> object:
        quoted = {name: quote(str(value), safe="") for name, value in values.items()}
        return self.http.get_json(self.paths[path].format(institution=self.institution, **quoted))

    def course(self, key: CourseKey) -> CourseAnswer:
        """Return one course's whole answer: one request."""
        answer = self._get("course", course=key.course, semester=key.semester)
        return read_course(answer, key, skip=self.skip)

    def courses(self, semester: Semester) -> Sequence[str]:
        """Return the codes of all courses TP plans in a semester: one request."""
        answer = self._get("courses", semester=semester.code)
        codes = {code for (code,) in self._named(_listed(answer, "data"), "courses", "id")}
        return sorted(code for code in codes if not is_matched(code, self.skip))

    def changed_since(self, instant: datetime) -> Sequence[CourseKey]:
        """Return the courses that TP says changed since: one request."""
        local = instant.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")
        answer = self._get("changed", timestamp=local)
        elements = _listed(answer, "elements")
        keys = {
            CourseKey(course, semester.code)
            for course, code in self._named(elements, "changed", "id", "semesterid")
            if (semester := semester_of(code)) is not None
        }
        return sorted(key for key in keys if not is_matched(key.course, self.skip))

    def _named(
        self, elements: Sequence[object], list_name: str, *names: str
    ) -> list[tuple[str, ...]]:
        """Return these codes of each item; one that lacks any is left out and told of.

        A list of which nothing can be read is of another form than we know.
        """
        codes = [tuple(_code(element, name) for name in names) for element in elements]
        readable = [
            element for element in codes if all(element) and len(element[0]) <= LONGEST_CODE
        ]
        if not readable and len(elements) > FEW:
            raise BadSourceData(f"tp {list_name}: a list of which nothing can be read")
        for _ in range(len(codes) - len(readable)):
            self.on_left_out(list_name, f"no {' or '.join(names)} that can be read")
        return readable


def _listed(answer: object, name: str) -> list[object]:
    """Return an answer's list; TP says null where it is empty."""
    if not isinstance(answer, dict) or name not in answer:
        raise BadSourceData(f"tp: an answer without {name!r}")
    elements = answer[name] if answer[name] is not None else []
    if not isinstance(elements, list):
        raise BadSourceData(f"tp: {name!r} is no list")
    return elements


def read_course(answer: object, key: CourseKey, *, skip: Sequence[str] = ()) -> CourseAnswer:
    """Read one course's answer; BadSourceData where it is none for this course as a whole."""
    if not isinstance(answer, dict) or not isinstance(answer.get("events"), list):
        raise BadSourceData("tp: an answer without a list of events")
    for names, asked_code in (
        (("id", "courseid"), key.course),
        (("semester", "semesterid"), key.semester),
    ):
        code = next(filter(None, (_code(answer, name) for name in names)), asked_code)
        if folded(code) != folded(asked_code):
            raise BadSourceData("tp: the answer is for another course or semester than asked")
    key = key._replace(course=_spelled(answer, key.course))
    events: list[TeachingEvent] = []
    bad: list[BadEvent] = []
    odd: list[str] = []
    skip_count = 0
    for raw in answer["events"]:
        # an event is none of ours by its ids, or as another semester's
        of_other_semester = _code(raw, "semesterid").lower() not in {"", key.semester.lower()}
        ids = [_code(raw, name) for name in ("courseid", "actid", "eventid", "id")]
        is_skipped = of_other_semester or any(is_matched(code, skip) for code in ids)
        if isinstance(raw, dict) and is_skipped:
            skip_count += 1
            continue
        try:
            events.append(read_event(raw, key, odd))
        except UnreadableEventError as error:
            bad.append(error.event)
    semesters = answer.get("semesters")
    flags = (
        semester.get("publish_timetable")
        for semester in (semesters if isinstance(semesters, list) else ())
        if isinstance(semester, dict) and str(semester.get("id", "")).lower() == key.semester
    )
    flag = next(flags, None)
    return CourseAnswer(
        key=key,
        published=flag if isinstance(flag, bool) else None,  # None: the answer does not tell
        events=tuple(_once(events)),
        bad=tuple(bad),
        skipped=skip_count,
        odd=tuple(odd),
    )


def _spelled(answer: Mapping[str, object], course: str) -> str:
    """Return the course's code as TP writes it: as most events have it, else as the answer has it.

    An answer may repeat the question's spelling, so events are believed first.
    """
    events = answer["events"] if isinstance(answer["events"], list) else []
    codes = [code for event in events if folded(code := _code(event, "courseid")) == folded(course)]
    if codes:
        return max(Counter(sorted(codes)).items(), key=itemgetter(1))[0]
    of_answer = (_code(answer, name) for name in ("id", "courseid"))
    spellings = (code for code in of_answer if code != course and folded(code) == folded(course))
    return next(spellings, course)


def _code(raw: object, name: str) -> str:
    """Return a code without what nobody sees; empty where there is none."""
    code = raw.get(name) if isinstance(raw, dict) else None
    return without_unseen(code) if isinstance(code, str) else ""


def _once(events: Iterable[TeachingEvent]) -> list[TeachingEvent]:
    """One event for each activity and id: active wins, else the first; in time's order."""
    by_id: dict[tuple[object, str], TeachingEvent] = {}
    for event in events:
        earlier = by_id.get((event.activity, event.event_id))
        if earlier is None or (earlier.status != "active" and event.status == "active"):
            by_id[event.activity, event.event_id] = event
    return sorted(by_id.values(), key=lambda e: (e.starts_at, e.event_id, e.activity))
