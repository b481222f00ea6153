"""What a message from the broker marks: the subjects that it names; nothing else is believed.

FS and TP (`sub`), SCIM (`sub`, `resourceUris`), CloudEvents (`subject`), TP's bare element
(`id`, `semesterid`) and plain text all come down to texts such as `personer/56154`, and what
these mean is a list of patterns: the operator's, then the usual ones.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from urllib.parse import unquote

from kalender.domain.model import Semester
from kalender.domain.text import without_unseen
from kalender.domain.work import Cause, Kind, Lane, Mark, WorkKey
from kalender.errors import NotificationError

LARGEST = 64 * 1024
LONGEST = 500  # characters of a subject's text, so that no expression runs away
NOT_BEFORE = frozenset({"nbf", "gyldigEtter"})
MILLISECONDS = 1e11  # seconds are smaller until the year 5138, milliseconds larger since 1973
FURTHEST = timedelta(days=366)  # what lies beyond is looked at then, too early
PLAIN = re.compile(r'[^\s{}\[\]"/]+/[^\s{}\[\]"]+')
WORD = re.compile(r"\S{1,64}")
DIGITS = 9  # a national identity number, which has eleven, is never taken for a person
GROUPS = frozenset({"course", "semester", "year", "term", "person", "username"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A way to write a subject; `queue` and `routing_key` are globs.

    The expression is searched for in what the message says it is about, percent-decoded, and
    its named groups say what was found: `course` with `semester` (or `year` and FS' `term`),
    `person` or `username`.
    """

    subject: re.Pattern[str]
    queue: str = "*"
    routing_key: str = "*"

    def __post_init__(self) -> None:
        """Refuse an expression that names nothing, or something unknown."""
        groups = set(self.subject.groupindex)
        if not groups & {"course", "person", "username"} or not groups <= GROUPS:
            message = "must have a named group: course (with semester), person or username"
            raise ValueError(message)


def _usual(resource: str, pattern: str) -> Pattern:
    # A literal first, and only then a look at what is before it: searched for three times faster.
    start = rf"{resource}(?<![^/]{resource})"
    return Pattern(subject=re.compile(rf"{start}{pattern}/?(?:[?#].*)?$"))


_PERSON = f"(?P<person>[0-9]{{1,{DIGITS}}})"
_COURSE = r"(?P<course>[^\s,/?#*]{1,50})"
_UNIT = rf"/[0-9]+,{_COURSE},[^\s,/]+,(?P<year>[0-9]{{4}}),(?P<term>[^\s,/]+),[0-9]+"
_NAME = r"/(?P<username>[^\s,/?#@]{1,64})(?:@[^/?#]*)?"

USUAL: tuple[Pattern, ...] = (
    _usual("studentundervisning", rf"(?:saktivitet)?(?:er)?/[^/?#]*,{_PERSON}"),
    _usual("personer", f"/{_PERSON}"),
    _usual("personroller", f"/{_PERSON},[0-9]+"),
    _usual("undervisning", _UNIT),
    _usual("undervisningsaktivitet", f"(?:er)?{_UNIT},[^/?#]+"),
    _usual("course", rf"/{_COURSE}(?:,(?P<semester>[^\s,/?#]+)(?:,[^/?#]*)?)?"),
    _usual("accounts", _NAME),
    _usual("Users", _NAME),
)


def parse(
    body: bytes, routing_key: str, patterns: Sequence[Pattern], *, now: datetime, reason: str
) -> list[Mark]:
    """Return a mark for each subject that a message names, at least one.

    Raises NotificationError, whose text never holds anything of the message, and nothing else.
    """
    message = _read(body)
    texts = _texts(message)
    subjects: dict[WorkKey, None] = {}
    for text in texts:
        subject = _subject(text, routing_key, patterns)
        if subject is not None:
            subjects[subject] = None
    if not subjects:
        strange = "not a form of notification that is known"
        raise NotificationError("not a resource that concerns calendars" if texts else strange)
    due_at = _due_at(message, now) if isinstance(message, dict) else None
    return [
        Mark(*subject, reason, Lane.LIVE, due_at, cause=_CAUSES[subject.kind])
        for subject in subjects
    ]


_CAUSES = {Kind.COURSE: Cause.TP_NOTIFICATION, Kind.PERSON: Cause.FS_NOTIFICATION}


def _read(body: bytes) -> object:
    reason = f"larger than {LARGEST // 1024} KiB"
    if len(body) <= LARGEST:
        try:
            text = body.decode().removeprefix("\ufeff").strip()
            plain = not text.startswith("{") and PLAIN.fullmatch(text)
            if plain:
                return text
            # as json.loads does, which looks three times for white space that is not there
            message, end = _DECODER.raw_decode(text)
            if end == len(text):
                return message
            reason = "neither JSON nor the plain text of a subject"
        except UnicodeDecodeError:
            reason = "not UTF-8"
        except RecursionError:
            reason = "nested too deeply"
        except ValueError:
            reason = "neither JSON nor the plain text of a subject"
    raise NotificationError(reason)


_DECODER = json.JSONDecoder()


def _texts(message: object) -> Sequence[str]:
    if isinstance(message, dict) and isinstance(text := message.get("sub"), str):
        return (text,)
    match message:
        case {"subject": str(text)} | str(text):
            return (text,)
        case {"resourceUris": [*uris]}:
            return [uri for uri in uris if isinstance(uri, str)]
        case {"id": str(course), "semesterid": str(semester)}:
            return (f"course/{course},{semester}",)
        case _:
            return ()


def _subject(text: str, routing_key: str, patterns: Sequence[Pattern]) -> WorkKey | None:
    plain = without_unseen(unquote(text) if "%" in text else text)  # no key of a row holds a NUL
    if len(plain) > LONGEST:
        return None
    for pattern in patterns:
        if pattern.routing_key == "*" or fnmatchcase(routing_key, pattern.routing_key):
            match = pattern.subject.search(plain)
            if match is not None:
                break
    else:
        return None
    groups = match.groupdict()
    reason = "a name that cannot be read"
    if (person := groups.get("person")) and person.isdecimal() and len(person) <= DIGITS:
        return WorkKey.of_person(int(person))
    if (username := groups.get("username")) and WORD.fullmatch(username):
        return WorkKey.of_account(username)
    if (course := groups.get("course")) and WORD.fullmatch(course):
        year, term = groups.get("year"), groups.get("term")
        try:
            code = groups.get("semester")
            semester = Semester.parse(code).code if code else None
            if not code and year and term:
                semester = Semester.from_fs(int(year), term.upper()).code
            return WorkKey.of_course(course, semester)
        except ValueError:
            reason = "a semester that cannot be read, or that TP does not plan"
    raise NotificationError(reason)


def _due_at(message: Mapping[str, object], now: datetime) -> datetime | None:
    if NOT_BEFORE.isdisjoint(message):
        return None
    instants = (_instant(message.get(key)) for key in NOT_BEFORE)
    instant = next((instant for instant in instants if instant is not None), None)
    return min(instant, now.astimezone(UTC) + FURTHEST) if instant and instant > now else None


def _instant(value: object) -> datetime | None:
    try:
        if isinstance(value, str) and not value.isdecimal():
            instant = datetime.fromisoformat(value)
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, str | int | float):
            number = float(value)
            seconds = number / 1000 if number > MILLISECONDS else number
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass  # acting too early is harmless
    return None
