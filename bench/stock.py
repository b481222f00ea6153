"""What stock exchangelib takes for the same entries: `bulk_create` as documented, nothing else."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any

import exchangelib

SAMPLE, PROCESSES = 1000, 2
MAILBOX = "stock@uio.example"


class StockKey(exchangelib.ExtendedProperty):  # type: ignore[misc]  # exchangelib is untyped
    """A property like our SyncKey, under a GUID of its own: nobody takes these entries for ours."""

    property_set_id = "7c1e94aa-6a0b-4f6e-9d5e-3b8f2a5f0d4c"
    property_name = "StockKey"
    property_type = "String"


exchangelib.CalendarItem.register("stock_key", StockKey)


def seconds_an_entry(endpoint: str, shown: Sequence[dict[str, Any]]) -> float:
    """CPU seconds of `bulk_create` alone, by as many processes at once as a worker has.

    The items are made before, and not counted; there are as many of ours made again and again.
    """
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        took = pool.map(_seconds, [endpoint] * PROCESSES, [list(shown)] * PROCESSES)
        return sum(took) / PROCESSES


def _seconds(endpoint: str, shown: Sequence[dict[str, Any]]) -> float:
    account = exchangelib.Account(
        MAILBOX,
        config=exchangelib.Configuration(
            service_endpoint=endpoint,
            credentials=exchangelib.Credentials("kalender", "kalender"),
            auth_type=exchangelib.BASIC,
            version=exchangelib.Version(build=exchangelib.version.EXCHANGE_2016),
        ),
        access_type=exchangelib.IMPERSONATION,
        autodiscover=False,
        default_timezone=exchangelib.EWSTimeZone("Europe/Oslo"),
    )
    folder = account.calendar
    items = [_item(account, folder, shown[n % len(shown)], n) for n in range(SAMPLE)]
    begun = time.process_time()
    account.bulk_create(folder=folder, items=items)
    return (time.process_time() - begun) / SAMPLE


def _item(
    account: exchangelib.Account, folder: object, shown: dict[str, Any], number: int
) -> exchangelib.CalendarItem:
    start, end = (datetime.fromisoformat(shown[name]) for name in ("start", "end"))
    return exchangelib.CalendarItem(
        account=account,
        folder=folder,
        subject=shown["subject"],
        body=exchangelib.HTMLBody(shown["body"]),
        location=shown["location"],
        start=exchangelib.EWSDateTime.from_datetime(start),
        end=exchangelib.EWSDateTime.from_datetime(end),
        categories=shown["categories"],
        legacy_free_busy_status=shown["show_as"],
        reminder_is_set=shown["reminder_is_set"],
        stock_key=f"{number}#00000000",
    )
