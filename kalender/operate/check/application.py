"""Tries how an Exchange knows us as an application of Entra: its token, clock and credential."""

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kalender.config.backends import ApplicationSettings
from kalender.operate.check.certificates import end_of, time_left
from kalender.operate.check.database import CLOCKS_APART
from kalender.operate.check.trial import TrialOutcome, failed, not_tried, ok, warned
from kalender.ports import AroundRequest

if TYPE_CHECKING:
    from kalender.calendars.tokens import Tokens

REFUSED_FROM = timedelta(minutes=5)  # so far apart, and an assertion is not taken
SYNCHRONISE = "synchronise this machine's clock (NTP)"
UNCONSENT = (
    "take the consent in Entra back: the right comes from RBAC for Applications, inside its scope"
    " (docs/exchange.md)"
)


def token(tokens: "Tokens", limiter: AroundRequest) -> TrialOutcome:
    """Get a token, and name the roles that it grants: they hold in every mailbox."""
    from kalender.calendars.tokens import roles_of  # noqa: PLC0415 - msal takes long to load

    with limiter():
        roles = roles_of(tokens.token())
    if roles is None:
        return ok("given; which roles it grants cannot be read")
    if roles:
        names = ", ".join(sorted(roles))
        return warned(f"given; it grants {names} beyond any scope, in every mailbox", UNCONSENT)
    return ok("given; it grants no role beyond the scope in Exchange")


def clock(tokens: "Tokens") -> TrialOutcome:
    """Compare the clock of whoever gives tokens with this machine's, by its last answer."""
    difference = tokens.clock_difference
    if difference is None:
        return not_tried("nobody told the time")
    text = f"login_url's is {difference.total_seconds():+.0f} s from ours"
    if abs(difference) >= REFUSED_FROM:
        return failed(text, SYNCHRONISE)
    return ok(text) if abs(difference) <= CLOCKS_APART else warned(text, SYNCHRONISE)


def credential(settings: ApplicationSettings, zone: ZoneInfo, now: datetime) -> TrialOutcome:
    """Say how long what proves who we are still lasts, as far as anybody told us."""
    if settings.certificate_file is not None:
        outcome, kind = time_left(end_of(settings.certificate_file) - now), "certificate"
    elif settings.client_secret is None:
        return ok("the platform's token, which it renews by itself")
    elif settings.client_secret_expires is None:
        return warned("secret: unknown when it ends", "ask Entra, and set client_secret_expires")
    else:
        last = datetime.combine(settings.client_secret_expires, time(), tzinfo=zone)
        outcome, kind = time_left(last.astimezone(UTC) - now), "secret"
    return TrialOutcome(state=outcome.state, text=f"{kind} {outcome.text}", remedy=outcome.remedy)
