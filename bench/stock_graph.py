"""What O365, a client of Microsoft Graph, takes for the same entries: `event.save()` as documented."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any
from zoneinfo import ZoneInfo

import requests

from kalender.sandbox.world import Endpoints

SAMPLE, PROCESSES = 300, 2
MAILBOX = "stock@uio.example"
OSLO = ZoneInfo("Europe/Oslo")


def seconds_an_entry(ends: Endpoints, shown: Sequence[dict[str, Any]]) -> float:
    """CPU seconds of `event.save()` alone, by as many processes at once as a worker has.

    The events are made before, and not counted; there are as many of ours made again and again.
    O365 has no way to create several events with one request.
    """
    # O365 writes switches as texts, which Graph takes and the sandbox refuses by default; and it
    # makes more entries in one mailbox than Graph takes in ten minutes.
    settings = {"quoted_booleans": True, "window_seconds": 1.0}
    requests.put(f"{ends.control}/graph/settings", json=settings, timeout=10)
    form = {
        "grant_type": "client_credentials",
        "client_id": "kalender",
        "client_secret": "kalender",
        "scope": "https://graph.microsoft.com/.default",
    }
    login = f"{ends.login}/uni.example/oauth2/v2.0/token"
    answer = requests.post(login, data=form, verify=str(ends.login_ca), timeout=10)
    words = (ends.graph, answer.json()["access_token"], list(shown))
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(_seconds, *words) for _ in range(PROCESSES)]
        return sum(task.result() for task in tasks) / PROCESSES


def _seconds(base: str, token: str, shown: Sequence[dict[str, Any]]) -> float:
    from tests.o365 import schedule_of  # noqa: PLC0415  # only these processes load it

    calendar = schedule_of(MAILBOX, base, token).get_default_calendar()
    events = [_event(calendar, shown[number % len(shown)]) for number in range(SAMPLE)]
    begun = time.process_time()
    if not all(event.save() for event in events):
        raise AssertionError("O365 could not save an event")
    return (time.process_time() - begun) / SAMPLE


def _event(calendar: Any, shown: dict[str, Any]) -> Any:
    event = calendar.new_event(shown["subject"])
    moments = (datetime.fromisoformat(shown[name]) for name in ("start", "end"))
    event.start, event.end = (moment.astimezone(OSLO) for moment in moments)
    event.body, event.location = shown["body"], shown["location"]
    event.categories = shown["categories"]
    event.is_reminder_on = shown["reminder_is_set"]
    return event
