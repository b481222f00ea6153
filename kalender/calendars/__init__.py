"""Calendar backends: one package for each kind, and the one place that chooses among them."""

from collections.abc import Callable

from kalender.config.backends import Backend, EwsApplicationSettings, EwsSettings, GraphSettings
from kalender.ports import AroundRequest, Calendars, unlimited


def open_calendars(
    name: str,
    settings: Backend,
    *,
    connections: int,
    time_zone: str,
    limiter: AroundRequest = unlimited,
    user_of: Callable[[str], str] = str,
) -> Calendars:
    """Return the adapter for a backend, by the kind that its section of the settings names.

    `name` is the section's, such as `main`; `connections` says how many threads use the adapter at
    once. The adapter is to be made after a fork. `user_of` tells how Graph names the user of an
    address.
    """
    match settings:
        case EwsSettings() | EwsApplicationSettings():
            # exchangelib takes longer to load than most commands take to run
            from kalender.calendars.ews.writer import EwsCalendars  # noqa: PLC0415

            return EwsCalendars(
                name,
                settings,
                connections=connections,
                time_zone=time_zone,
                limiter=limiter,
            )
        case GraphSettings():
            from kalender.calendars.graph.writer import GraphCalendars  # noqa: PLC0415  # as msal

            return GraphCalendars(
                name,
                settings,
                connections=connections,
                time_zone=time_zone,
                limiter=limiter,
                user_of=user_of,
            )
