"""The page of what changed: a day's writes by the hour and one by one, and what nobody announced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from kalender.domain.timetable import midnight
from kalender.domain.work import Cause
from kalender.operate.changes import (
    Hour,
    changes,
    day_of_changes,
    resyncs,
)
from kalender.store import courses
from kalender.store.acts import Filter
from kalender.web.page import Answer, Page, PageRequest, ShownPage, WebRole
from kalender.web.reading import cursor_of, cursor_text, day_of

CHANGES = 50  # on one page
LABELS = tuple(dict.fromkeys(cause.label for cause in Cause))
OPERATIONS = ("create", "update", "delete", "remove", "release", "adopt", "restore", "gone")
LONGEST = 64  # letters of a code


def show(request: PageRequest) -> Answer:
    """Show a day's changes, of a course, a cause or an operation where the query names one."""
    app, query = request.site.app, request.query
    today = app.machine_now().astimezone(app.zone).date()
    asked = query.get("day", "")
    day = day_of(asked) or today
    label = query.get("cause") if query.get("cause") in LABELS else None
    what = query.get("what") if query.get("what") in OPERATIONS else None
    code = query.get("course", "").strip()[:LONGEST]
    since, until = midnight(day, app.zone), midnight(day + timedelta(days=1), app.zone)
    with request.site.database.read() as connection:
        filters = Filter(
            course=courses.spelled(connection, code) if code else None,
            what=what,
            causes=frozenset(cause.value for cause in Cause if cause.label == label),
            since=since,
            until=until,
            before=cursor_of(query.get("before")),
            limit=CHANGES,
        )
        page = changes(connection, filters)
        whole_day = day_of_changes(connection, day, app.zone, filters)
        resyncs_of_day = resyncs(connection, since, until)
    chosen = {
        "day": day.isoformat(),
        "course": code,
        "cause": label or "",
        "what": what or "",
    }
    values = {
        "day": day,
        "bad_day": bool(asked) and day_of(asked) is None,
        "previous": {**chosen, "day": (day - timedelta(days=1)).isoformat()},
        "next": {**chosen, "day": (day + timedelta(days=1)).isoformat()} if day < today else None,
        "chosen": chosen,
        "labels": LABELS,
        "operations": OPERATIONS,
        "page_of_log": page,
        "older": cursor_text(page.before),
        "plot": None if whole_day.hours is None else _plot(whole_day.hours, app.zone),
        "unannounced": whole_day.unannounced,
        "resyncs": [(each, _counts(each.result)) for each in resyncs_of_day],
        "names_persons": request.session.role >= WebRole.HELPDESK,
    }
    return ShownPage(template="changes.html", values=values)


def _counts(result: str) -> list[tuple[str, str]]:
    """Return the names and counts of a resync's result; none where it is told otherwise."""
    counts = [part.partition(": ") for part in result.split("  ")]
    return [(name, count) for name, _, count in counts] if all(c[1] for c in counts) else []


# -- the plot --------------------------------------------------------------------------------------------

HEIGHT, WIDTH, BAR = 120, 720, 22  # of the drawing, in its own units
KINDS = ("creates", "updates", "deletes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A part of an hour's bar: `kind` is what it counts."""

    kind: str
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesChart:
    """The hours of a day as stacked bars, with their sums; `labels` are (x, hour)."""

    hours: Sequence[Hour]
    bars: Sequence[Bar]
    labels: Sequence[tuple[int, str]]
    creates: int
    updates: int
    deletes: int
    most: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written in any hour."""
        return self.most == 0


def _plot(hours: Sequence[Hour], zone: tzinfo) -> ChangesChart:
    sums = {kind: sum(getattr(hour, kind) for hour in hours) for kind in KINDS}
    most = max((hour.creates + hour.updates + hour.deletes for hour in hours), default=0)
    step = WIDTH // max(len(hours), 1)
    bars = []
    for n, hour in enumerate(hours):
        y = float(HEIGHT)
        for kind in KINDS:
            height = getattr(hour, kind) * HEIGHT / max(most, 1)
            y -= height
            if height:
                bars.append(Bar(kind=kind, x=n * step, y=round(y, 1), height=round(height, 1)))
    return ChangesChart(
        hours=hours,
        bars=bars,
        labels=[
            (n * step, f"{hour.at.astimezone(zone):%H}")
            for n, hour in enumerate(hours)
            if n % 3 == 0
        ],
        most=most,
        **sums,
    )


PAGES = (Page("/changes", "changes", WebRole.STATUS, show, menu=True),)
