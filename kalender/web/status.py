"""The first page: whether everybody has the right calendar, and the figures behind it.

The figures are those of `kalender status --json` and of the metrics, from the same values. There is
no person on this page.
"""

from dataclasses import asdict

from kalender.operate.status import Requests
from kalender.web.page import Answer, Page, PageRequest, ShownPage, WebRole
from kalender.web.plots import day_of
from kalender.web.snapshots import Snapshot

NO_REQUESTS = Requests(requests={})


def show(request: PageRequest) -> Answer:
    """Show the verdict and all figures."""
    values = values_of(request.site.snapshots.latest(), request.session.role)
    return ShownPage(template="status.html", values=values)


def _wished_at(snapshot: Snapshot) -> dict[str, str]:
    """Return the part of the operators' page where something may be wished, by condition."""
    neighbours = snapshot.status.neighbours
    return {"brake": "brakes"} | {
        f"{neighbour.name}-{neighbour.condition}": "neighbours" for neighbour in neighbours
    }


def values_of(snapshot: Snapshot, role: WebRole) -> dict[str, object]:
    """Return the values that the template names, for somebody of that role."""
    status, figures = snapshot.status, snapshot.figures
    states = {"missing": 0, "lost": 0}
    for count in status.calendars:
        if count.state in states:
            states[count.state] += count.calendars
    counts = {
        "parked": sum(parked.count for parked in status.parked),
        **states,
        "persons_emptied": status.persons_emptied,
        "courses_without_placements": figures.courses_without_placements,
        **asdict(status.counts),
    }
    return {
        "status": status,
        "figures": figures,
        "verdict": snapshot.verdict,
        "wished_at": _wished_at(snapshot) if role >= WebRole.OPERATOR else {},
        "counts": counts,
        "day": day_of(figures.minutes, status.moment),
        "neighbours": [
            (neighbour, figures.requests.get(neighbour.name, NO_REQUESTS))
            for neighbour in status.neighbours
        ],
        "versions": {worker.version for worker in status.living_workers},
    }


PAGES = (Page("/", "status", WebRole.STATUS, show, menu=True),)
