"""Days as people say them, in Bokmål, Nynorsk and English."""

from datetime import date, datetime, tzinfo

from kalender.domain.render import Language
from kalender.web.words import say


def weekday(language: Language, day: date) -> str:
    """Return the name of a day of the week, such as `mandag`."""
    return say(language, f"day.{day.isoweekday()}")


def day_in_words(language: Language, day: date) -> str:
    """Return a day such as `18. august` or `18 August`."""
    return say(language, "day.of_month", day=day.day, month=say(language, f"month.{day.month}"))


def clock(moment: datetime, zone: tzinfo) -> str:
    """Return the time of day, such as `10:15`."""
    return f"{moment.astimezone(zone):%H:%M}"
