"""What an entry says, in bokmål, as docs/entries.md has it. Imports nothing of Kalender."""

import html
import re
from functools import cache
from typing import Any

KINDS = {
    "FOR": "Forelesning",
    "ØVE": "Øvelse",
    "ØV": "Øvelse",
    "ØV-F": "Fellesøvelse",
    "GR": "Gruppe",
    "GR-DATA": "Datagruppe",
    "LAB": "Lab",
    "KOL": "Kollokvium",
    "SEM": "Seminar",
    "SEMFOR": "Forelesning og seminar",
    "OBLOPPG": "Obligatorisk oppgave",
    "ORIENT": "Orienteringsmøte",
}
LONGEST = 255
Json = dict[str, Any]


def subject(event: Json, courses: str) -> str:
    """As docs/entries.md has it, in bokmål."""
    summary, name = _clean(event.get("summary")), _clean(event.get("teaching-method-name"))
    kind = summary if summary and summary != name else KINDS.get(event["teaching-method"], name)
    if event.get("compulsory") and not kind.lower().startswith("obligatorisk"):
        kind += " (Obligatorisk)"
    title = _clean(event.get("title"))
    text = f"{courses} {kind}: {title}" if title else f"{courses} {kind}"
    text = f"AVLYST: {text}" if event["status"] == "cancelled" else text
    return _cut(text)


def location(event: Json) -> str:
    """Rooms with their building; a building once for rooms that follow each other."""
    parts: list[tuple[str, list[str]]] = []
    for room in event.get("room") or []:
        name, building = _clean(room.get("roomname")), _clean(room.get("buildingname"))
        if room.get("buildingid") == "DIGUND":
            name, building = "Digitalt" if name in {"", "Link"} else name, ""
        if parts and building and parts[-1][0] == building:
            parts[-1][1].append(name)
        else:
            parts.append((building, [name]))
    return _cut(", ".join(", ".join(n) + (f" ({b})" if b else "") for b, n in parts))


def show_as(event: Json) -> str:
    """Busy, but free for the cancelled, the wholly digital and deadlines."""
    rooms = event.get("room") or []
    digital = bool(rooms) and all(room.get("buildingid") == "DIGUND" for room in rooms)
    deadline = not rooms and (
        event["teaching-method"] == "OBLOPPG"
        or "innlevering" in _clean(event.get("summary")).lower()
    )
    return "free" if event["status"] == "cancelled" or digital or deadline else "busy"


@cache  # a term says few different words, for many people
def _clean(text: str | None) -> str:
    """One line without HTML; what is no tag stays, as `List<T>` in entities does."""
    blocks = re.sub(
        r"</?(p|br|div|li|ul|ol|tr|td|h[1-6])\b[^>]*>", " ", text or "", flags=re.IGNORECASE
    )
    return " ".join(
        html.unescape(re.sub(r"</?[a-z][^>]*>", "", blocks, flags=re.IGNORECASE)).split()
    )


def _cut(text: str) -> str:
    """At most 255 characters with the ellipsis, ended after a whole word where there is one."""
    if len(text) <= LONGEST:
        return text
    start = text[:LONGEST]
    return (start.rsplit(" ", 1)[0] if " " in start else start[:-1]).rstrip() + "…"
