"""What the entries of an activity say: made ready once for all who see it the same way.

It is kept under the digest that decides it, and so is never older than the state that asks for it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from kalender.domain.model import ActivityKey, Content, TeachingEvent
from kalender.domain.plan import DesiredEntry
from kalender.domain.render import Style, fingerprint, render
from kalender.domain.timetable import (
    ActivityInterest,
    Audience,
    Event,
    Relation,
    Role,
    Rules,
    earliest_end,
    merge_duplicates,
    visible_events,
)

MOST = 50_000  # entries kept by one process


EventReader = Callable[
    [Collection[ActivityKey], datetime], Mapping[ActivityKey, tuple[str, list[TeachingEvent]]]
]
"""Returns each activity's digest, and its events that end after an instant, as of one moment."""


class RenderKey(NamedTuple):
    """An activity as somebody sees it; the usernames only where they decide."""

    selected: ActivityInterest
    digest: str
    usernames: frozenset[str]
    audience: Audience

    @classmethod
    def of(
        cls, interest: ActivityInterest, digest: str, usernames: frozenset[str], audience: Audience
    ) -> "RenderKey":
        """Return how a calendar of this audience sees it."""
        is_named = interest.capacity is Relation.NAMED
        return cls(interest, digest, usernames if is_named else frozenset(), audience)


class RenderCache:
    """The entries of activities, each with what it says. Usable from several threads."""

    def __init__(self, styles: Mapping[Role, Style], *, limit: int = MOST) -> None:
        self.styles = styles
        self._known: dict[RenderKey, tuple[DesiredEntry, ...]] = {}
        self._most = self._room = limit

    def desired_entries(
        self,
        read_events: EventReader,
        render_keys: Collection[RenderKey],
        rules: Rules,
        now: datetime,
    ) -> list[DesiredEntry]:
        """Return the entries that a calendar with these keys should hold, in time's order."""
        visible_entries = list(self._visible_entries(read_events, render_keys, rules, now))
        entry_of_event = {id(entry.event): entry for entry in visible_entries}
        events = merge_duplicates((entry.event for entry in visible_entries), rules, now)
        return [entry_of_event.get(id(event)) or self._render(event, rules) for event in events]

    def _visible_entries(
        self,
        read_events: EventReader,
        render_keys: Collection[RenderKey],
        rules: Rules,
        now: datetime,
    ) -> Iterable[DesiredEntry]:
        """Return the entries that these keys show, key by key.

        An event that two of them show comes twice, and what has ended meanwhile comes too:
        `merge_duplicates` removes both. What has ended may change under an unchanged digest: where
        that is shown, nothing is kept.
        """
        keep = not rules.past_days
        cached = self._known if keep else {}
        entries = {key: cached[key] for key in render_keys if key in cached}
        lacking = [key for key in render_keys if key not in entries]
        activities = {key.selected.activity for key in lacking}
        after = min(now, earliest_end(rules, now))
        events_of = read_events(activities, after) if lacking else {}
        for key in lacking:
            digest, events = events_of.get(key.selected.activity, (None, ()))
            visible = visible_events(events, key.selected, key.usernames, rules)
            entries[key] = tuple(self._render(event, rules) for event in visible)
            if keep and digest is not None:
                self._keep(key._replace(digest=digest), entries[key])
        return (entry for key in render_keys for entry in entries[key])

    def _keep(self, key: RenderKey, entries: tuple[DesiredEntry, ...]) -> None:
        """Keep these; where that is too many, the cache begins anew."""
        size = len(entries) + 1
        if size > self._room:
            self._known, self._room = {}, self._most
        self._room -= size
        self._known[key] = entries

    def _render(self, event: Event, rules: Rules) -> DesiredEntry:
        """Return an event with what its entry should say."""
        show_as = rules.unit_fallback if event.capacity is Relation.UNIT_ROLE else None
        content, print_ = _rendered(event.teaching, event.courses, self.styles[event.role], show_as)
        return DesiredEntry(event=event, content=content, fingerprint=print_)


@lru_cache(maxsize=MOST)
def _rendered(
    event: TeachingEvent, names: tuple[str, ...], style: Style, show_as: str | None
) -> tuple[Content, str]:
    """Render once for an event, role and language, not once for each person."""
    content = render(event, names, style)
    if show_as == "free":
        content = replace(content, show_as="free")
    return content, fingerprint(content)
