"""What an entry says: one event, in one language, for one audience. See docs/entries.md.

Same inputs, same bytes. Whatever changes an output here counts `RENDERING` up, and everybody is
rewritten by the next resync.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import lru_cache
from hashlib import blake2b
from html import escape
from itertools import groupby
from string import Formatter
from typing import Literal

from kalender.domain import block
from kalender.domain.model import Content, EventStatus, Room, TeachingEvent
from kalender.domain.text import cut, one_line

RENDERING = 1
FIELDS = ("subject", "body", "location", "time", "show_as")
LIMIT = 255  # of subject and location in Outlook
_SEPARATORS = " :;,/|-\u2013"

Language = Literal["nb", "nn", "en"]
Busy = Literal["busy", "free"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryWords:
    """The texts of one language."""

    cancelled: str
    compulsory: str
    digital: str
    taught_by: str
    rooms: str
    links: str
    maintained: str
    contact: str
    notes: str


WORDS: Mapping[Language, EntryWords] = {
    "nb": EntryWords(
        cancelled="AVLYST: ",
        compulsory="Obligatorisk",
        digital="Digitalt",
        taught_by="Underviser",
        rooms="Rom",
        links="Opptak og ressurser",
        maintained="Oppføringen holdes oppdatert av {institution}. Er noe feil, si fra til {contact}.",
        contact="studieadministrasjonen",
        notes="Egne notater: skriv under denne linjen. Det som står over, blir skrevet på nytt.",
    ),
    "nn": EntryWords(
        cancelled="AVLYST: ",
        compulsory="Obligatorisk",
        digital="Digitalt",
        taught_by="Undervisar",
        rooms="Rom",
        links="Opptak og ressursar",
        maintained="Oppføringa blir halden oppdatert av {institution}. Er noko feil, sei frå til {contact}.",
        contact="studieadministrasjonen",
        notes="Eigne notat: skriv under denne linja. Det som står over, blir skrive på nytt.",
    ),
    "en": EntryWords(
        cancelled="CANCELLED: ",
        compulsory="Compulsory",
        digital="Online",
        taught_by="Taught by",
        rooms="Room",
        links="Recordings and resources",
        maintained="This entry is kept up to date by {institution}. If anything is wrong, please tell {contact}.",
        contact="the student administration",
        notes="Your own notes: write below this line. What stands above is rewritten.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How entries of one audience look; `None` is the language's own text, "" is none at all.

    `subject` may name {course}, {kind} and {title}; `body`, the sentence on who maintains the
    entry, {institution} and {contact}. Anything else in braces is a ValueError that names it.
    A `contact` or `institution` that is a web address becomes a link.
    """

    institution: str
    language: Language = "nb"
    subject: str = "{course} {kind}: {title}"
    cancelled_prefix: str | None = None
    body: str | None = None
    contact: str | None = None
    busy: Busy = "busy"
    reminder_minutes: int | None = None
    category: str | None = "Undervisning"
    # The timetable's codes for kinds of teaching, with their names in Bokmål, Nynorsk and English.
    # They are no setting: whoever changes them counts `RENDERING` up.
    kinds: Mapping[str, tuple[str, str, str]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse a template that cannot be filled in."""
        _check(self.subject, {"course", "kind", "title"})
        _check(self.body or "", {"institution", "contact"})

    @property
    def words(self) -> EntryWords:
        """The texts of its language."""
        return WORDS[self.language]


def render(event: TeachingEvent, courses: tuple[str, ...], style: Style) -> Content:
    """Return what the entry of an event says; `courses` are all the calendar's that share it.

    Subject and location fit Outlook's 255 characters.
    """
    return Content(
        subject=_subject(event, courses, style),
        body=block.wrap("<br>".join(_lines(event, style))),
        location=cut(_location(event.rooms, style.words.digital), LIMIT),
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        show_as="free" if _is_free(event) else style.busy,
        reminder_minutes=style.reminder_minutes,
        categories=(style.category,) if style.category else (),
    )


def fingerprint(content: Content) -> str:
    """Return a short hash of each field that an update may name, in the order of `FIELDS`."""
    time = [at.astimezone(UTC).isoformat() for at in (content.starts_at, content.ends_at)]
    texts = (content.subject, content.body, content.location, "/".join(time), content.show_as)
    return ".".join(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest() for text in texts
    )


def changed_fields(old: str | None, new: str) -> frozenset[str]:
    """Return which of `FIELDS` differ; all of them where the old fingerprint cannot be read."""
    before, after = (old or "").split("."), new.split(".")
    if len(before) != len(FIELDS):
        return frozenset(FIELDS)
    pairs = zip(FIELDS, before, after, strict=True)
    return frozenset(
        field for field, value_before, value_after in pairs if value_before != value_after
    )


def _check(template: str, names: set[str]) -> None:
    for _, name, spec, conversion in Formatter().parse(template):
        if name is not None and (name not in names or spec or conversion):
            fields_known = ", ".join(f"{{{field_name}}}" for field_name in sorted(names))
            text = f"unknown field {{{name}}} in template: use {fields_known}"
            raise ValueError(text)


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Fill in a checked template; an empty value goes with the text that separates it."""
    text = ""
    for literal, name, _, _ in Formatter().parse(template):
        value = values[name] if name else ""
        if value or not name:
            text += literal + value
    return text.lstrip(_SEPARATORS)


def _subject(event: TeachingEvent, courses: tuple[str, ...], style: Style) -> str:
    course = "/".join(sorted({*courses} or {event.activity.course}))
    kind, name = one_line(event.summary), one_line(event.method_name)
    if kind in ("", name):
        nb, nn, en = style.kinds.get(event.method, ("", "", ""))
        kind = {"nb": nb, "nn": nn, "en": en}[style.language] or name
    compulsory = style.words.compulsory
    if event.compulsory and not kind.startswith(compulsory):
        kind = f"{kind} ({compulsory})".lstrip()
    values = {"course": course, "kind": kind, "title": one_line(event.title)}
    subject = _fill(style.subject, values)
    if event.status is EventStatus.CANCELLED:
        prefix = style.cancelled_prefix
        subject = (style.words.cancelled if prefix is None else prefix) + subject
    return cut(one_line(subject), LIMIT)


def _location(rooms: tuple[Room, ...], digital: str) -> str:
    """Name the rooms, those next to each other in one building together."""
    places = []
    for building, group in groupby(rooms, key=_building):
        names = ", ".join(filter(None, (_room_name(room, digital) for room in group)))
        places.append(f"{names} ({building})" if names and building else names or building)
    return ", ".join(filter(None, places))


def _building(room: Room) -> str:
    return "" if room.digital else one_line(room.building)


def _room_name(room: Room, digital: str) -> str:
    name = one_line(room.name)
    return digital if room.digital and name in ("", "Link") else name


def _is_free(event: TeachingEvent) -> bool:
    if event.status is EventStatus.CANCELLED:
        return True
    if event.rooms:
        return all(room.digital for room in event.rooms)
    return event.method == "OBLOPPG" or "innlevering" in event.summary.lower()


def _lines(event: TeachingEvent, style: Style) -> Iterator[str]:
    """Yield our block's lines as HTML."""
    words = style.words
    if title := one_line(event.title):
        yield f"<b>{escape(title)}</b>"
    for text in (*event.alerts, event.curriculum):
        yield from (escape(line) for part in text.splitlines() if (line := one_line(part)))
    if teachers := list(filter(None, (one_line(staff.name) for staff in event.staff or ()))):
        yield f"{words.taught_by}: {escape(', '.join(teachers))}"
    for room in event.rooms:
        linked, building = (
            _linked(_room_name(room, words.digital), room.url),
            escape(_building(room)),
        )
        if text := f"{linked} ({building})" if linked and building else linked or building:
            yield f"{words.rooms}: {text}"
    if links := list(filter(None, (_linked(one_line(x.name), x.url) for x in event.resources))):
        yield from (f"{words.links}:", *(f"• {link}" for link in links))
    yield f"<br>{_maintained(style)}"
    yield escape(words.notes)


def _linked(name: str, url: str) -> str:
    """Return a link where the address is one of the web, else the name alone."""
    address = one_line(url)
    if not re.fullmatch(r"https?://\S+", address, re.IGNORECASE):
        return escape(name)
    return f'<a href="{escape(address)}">{escape(name or address)}</a>'


@lru_cache(maxsize=16)
def _maintained(style: Style) -> str:
    words = style.words
    contact = words.contact if style.contact is None else style.contact
    template = escape(one_line(words.maintained if style.body is None else style.body), quote=False)
    values = {"institution": style.institution, "contact": contact}
    return _fill(
        template, {name: _linked(one_line(value), value) for name, value in values.items()}
    )
