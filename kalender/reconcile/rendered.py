"""What the entries of an activity say: made ready once for all who see it the same way.

It is kept under the digest that decides it, and so is never older than the view that asks for it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection

from kalender.domain.model import Audience, Content, TeachingEvent
from kalender.domain.plan import DesiredEntry
from kalender.domain.render import Style, fingerprint, render
from kalender.domain.timetable import ActivityInterest, Event, Relation, Rules, earliest_end, seen
from kalender.store import courses

MOST = 50_000  # entries kept by one process


class RenderKey(NamedTuple):
    """An activity as somebody sees it; the usernames only where they decide."""

    selected: ActivityInterest
    digest: str
    usernames: frozenset[str]
    audience: Audience

    @classmethod
    def of(
        cls, selected: ActivityInterest, digest: str, usernames: frozenset[str], audience: Audience
    ) -> "RenderKey":
        """Return how a calendar of this audience sees it."""
        named = selected.capacity is Relation.NAMED
        return cls(selected, digest, usernames if named else frozenset(), audience)


class RenderCache:
    """The entries of activities, each with what it says. Usable from several threads."""

    def __init__(self, styles: Mapping[Audience, Style], *, most: int = MOST) -> None:
        self.styles = styles
        self._known: dict[RenderKey, tuple[DesiredEntry, ...]] = {}
        self._most = self._room = most

    def seen(
        self, connection: Connection, sights: Collection[RenderKey], rules: Rules, now: datetime
    ) -> Iterable[DesiredEntry]:
        """Return all that these show, what has ended meanwhile too; a shared event once for each.

        What has ended may change under an unchanged digest: where that is shown, nothing is kept.
        """
        keep = not rules.past_days
        known = self._known if keep else {}
        found = {each: known[each] for each in sights if each in known}
        lacking = [each for each in sights if each not in found]
        if lacking:
            found |= self._read(connection, lacking, rules, now, keep=keep)
        return (each for sight in sights for each in found[sight])

    def _read(
        self,
        connection: Connection,
        sights: Collection[RenderKey],
        rules: Rules,
        now: datetime,
        *,
        keep: bool,
    ) -> dict[RenderKey, tuple[DesiredEntry, ...]]:
        keys = {each.selected.activity for each in sights}
        told = courses.events_of(connection, keys, after=min(now, earliest_end(rules, now)))
        found = {}
        for sight in sights:
            digest, events = told.get(sight.selected.activity, (None, ()))
            shown = seen(events, sight.selected, sight.usernames, rules)
            found[sight] = tuple(self.said(each, rules) for each in shown)
            if keep and digest is not None:
                self._keep(sight._replace(digest=digest), found[sight])
        return found

    def _keep(self, sight: RenderKey, said: tuple[DesiredEntry, ...]) -> None:
        takes = len(said) + 1
        if takes > self._room:
            self._known, self._room = {}, self._most
        self._room -= takes
        self._known[sight] = said

    def said(self, event: Event, rules: Rules) -> DesiredEntry:
        """Return an event with what its entry should say."""
        show_as = rules.unit_fallback if event.capacity is Relation.UNIT_ROLE else None
        content, print_ = _said(event.teaching, event.courses, self.styles[event.audience], show_as)
        return DesiredEntry(event=event, content=content, fingerprint=print_)


@lru_cache(maxsize=MOST)
def _said(
    event: TeachingEvent, names: tuple[str, ...], style: Style, show_as: str | None
) -> tuple[Content, str]:
    """Render once for an event, audience and language, not once for each person."""
    content = render(event, names, style)
    if show_as == "free":
        content = content.shown_as("free")
    return content, fingerprint(content)
