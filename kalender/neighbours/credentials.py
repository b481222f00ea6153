"""Whether a neighbour knows us: one request tries, the others follow once it is authorised.

So it is at first, with new credentials, after a refusal and after a silence. After three refusals
in half an hour nobody asks until it is over: no service account is locked out. What is known is
kept by a digest of the credentials, so that others are tried at once.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import pbkdf2_hmac

from sqlalchemy import Connection, update

from kalender.neighbours.row import NeighbourRow
from kalender.store.sql import db_now
from kalender.store.tables import neighbour

LATELY = timedelta(minutes=30)
REFUSALS = 3
REFUSALS_WITHIN = timedelta(minutes=30)
AFTER_REFUSAL = (timedelta(milliseconds=200), timedelta(minutes=1))  # the first, the second
TRIAL_SECONDS = 60.0
ROUNDS = 20_000
Refusals = list[tuple[str, datetime]]


@lru_cache(maxsize=32)
def digest(endpoint: str, *secrets: str | None) -> str:
    """Return what tells credentials apart and gives nothing of them away.

    A process computes it once for each: it takes milliseconds, so that nobody tries many secrets.
    """
    words = "\0".join(secret or "" for secret in secrets)
    return pbkdf2_hmac("sha256", words.encode(), endpoint.encode(), ROUNDS).hex()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialState:
    """How we stand: known, or to be tried by one, after `wait`; `tried`: somebody does just now."""

    known: bool
    wait: timedelta = timedelta()
    tried: bool = False


def state_of(row: NeighbourRow, credentials: str) -> CredentialState:
    """Return what a neighbour's row says of these credentials."""
    now = row.db_time
    lately = row.authorised_at is not None and row.authorised_at > now - LATELY
    if lately and row.credentials == credentials:
        return CredentialState(known=True)
    until = _until([at for refused_digest, at in _refusals(row) if refused_digest == credentials])
    wait = max(until - now, timedelta()) if until is not None else timedelta()
    is_tried = row.trial_until is not None and row.trial_until > now
    return CredentialState(known=False, wait=wait, tried=is_tried)


def refuses(row: NeighbourRow) -> bool:
    """Whether credentials of ours were refused so often that they are not tried now."""
    digests = [
        refused_digest
        for refused_digest, at in _refusals(row)
        if row.authorised_at is None or at > row.authorised_at
    ]
    return any(digests.count(refused_digest) >= REFUSALS for refused_digest in digests)


def _until(refusals: list[datetime]) -> datetime | None:
    """When the next trial may be; None: now."""
    if not refusals:
        return None
    if len(refusals) >= REFUSALS:
        return refusals[-REFUSALS] + REFUSALS_WITHIN
    return refusals[-1] + AFTER_REFUSAL[len(refusals) - 1]


def refused_since_authorised(row: NeighbourRow) -> list[datetime]:
    """Return when requests were refused since the last that was authorised, the oldest first."""
    return [at for _, at in _kept(row) if row.authorised_at is None or at > row.authorised_at]


def _refusals(row: NeighbourRow) -> Refusals:
    """The refusals that still count, oldest first."""
    return [
        (refused_digest, at)
        for refused_digest, at in _kept(row)
        if at > row.db_time - REFUSALS_WITHIN
    ]


def _kept(row: NeighbourRow) -> Refusals:
    return [
        (refused_digest, datetime.fromisoformat(at))
        for refused_digest, at in json.loads(row.refused or "[]")
    ]


def set_trial(connection: Connection, name: str, *, under_way: bool) -> None:
    """Say that somebody tries, for a minute at most, or that a trial told nothing."""
    _set(connection, name, trial_until=db_now(TRIAL_SECONDS) if under_way else None)


def authorised(connection: Connection, row: NeighbourRow, credentials: str) -> None:
    """Record that a trial went well: all may ask."""
    other_refusals = [refusal for refusal in _refusals(row) if refusal[0] != credentials]
    _set(
        connection,
        row.name,
        credentials=credentials,
        authorised_at=db_now(),
        refused=_written(other_refusals),
        trial_until=None,
    )


def still_authorised(connection: Connection, name: str, credentials: str) -> None:
    """Record that these go on being good, where nobody was refused meanwhile."""
    connection.execute(
        update(neighbour)
        .where(
            neighbour.c.name == name,
            neighbour.c.credentials == credentials,
            neighbour.c.authorised_at.is_not(None),
        )
        .values(authorised_at=db_now())
    )


def refused(
    connection: Connection, row: NeighbourRow, credentials: str, *, took: timedelta, error: str
) -> None:
    """Record a refusal; what was under way already when another was refused does not count."""
    refusals = _refusals(row)
    times = [at for refused_digest, at in refusals if refused_digest == credentials]
    if times and times[-1] > row.db_time - took:
        return
    refusals.append((credentials, row.db_time))
    number = len(times) + 1
    if number >= REFUSALS:
        minutes = round(REFUSALS_WITHIN.total_seconds() / 60)
        error = (
            f"{error}; refused {number} times: not asked again for {minutes} minutes, or until the "
            "credentials are others"
        )
    values = {"authorised_at": None} if row.credentials == credentials else {}
    _set(
        connection,
        row.name,
        failures=row.failures + 1,
        refused=_written(refusals),
        trial_until=None,
        last_error=error,
        changed_at=db_now(),
        **values,
    )


def try_once_more(connection: Connection, row: NeighbourRow) -> bool:
    """Let one request try refused credentials at once; return whether any were refused lately.

    One refusal more, and the rule of three holds again: whoever says that an account is mended
    does not lock it out. The row must be locked.
    """
    refusals = _refusals(row)
    earliest = row.db_time - max(AFTER_REFUSAL)
    counted_refusals: Refusals = []
    for credentials in dict.fromkeys(refused_digest for refused_digest, _ in refusals):
        times = [at for refused_digest, at in refusals if refused_digest == credentials][
            1 - REFUSALS :
        ]
        counted_refusals += [(credentials, min(at, earliest)) for at in times]
    if refusals:
        _set(
            connection,
            row.name,
            refused=_written(counted_refusals),
            trial_until=None,
            changed_at=db_now(),
        )
    return bool(refusals)


def _written(refusals: Refusals) -> str:
    return json.dumps([(refused_digest, at.isoformat()) for refused_digest, at in refusals])


def _set(connection: Connection, name: str, **values: object) -> None:
    connection.execute(update(neighbour).where(neighbour.c.name == name).values(**values))
