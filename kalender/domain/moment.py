"""How an instant is said to people: in the institution's time, with the zone named."""

from datetime import datetime, tzinfo


def said(moment: datetime, zone: tzinfo) -> str:
    """Return an instant to the second, such as `2025-09-02 08:00:00 CEST`."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def said_shortly(moment: datetime, zone: tzinfo) -> str:
    """Return an instant to the minute, such as `2025-09-02 08:00`, where the zone is named beside."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")
