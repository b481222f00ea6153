"""Every error Kalender raises on purpose; whatever else arrives is a bug.

KalenderError
├── ConfigError            the operator's settings; one line, exit code 2
├── NotificationError      this message can't be understood; it is kept, with the reason
├── StateInDoubt           the database may be older than the calendars: nothing is written on it
├── ThreadDied             a thread of this process died: the process ends, to be started anew
├── ClaimLost              the claim is no longer ours: stop at once, write nothing more
├── NeighbourError         a neighbour is away or refuses us: nobody's fault here, all pause
│   ├── NeighbourUnavailable   refused, timed out, 502-504, 429 to all that we ask
│   ├── NeighbourRefused       our rights, or all that we ask (403)
│   │   └── NeighbourUnauthorised  our credentials (401)
│   └── NeighbourShut          not asked at all: it is paused, or as many ask as may
├── TransientError         this work only, and later: retried with backoff
│   ├── OutcomeUnknown     the request may or may not have been carried out
│   ├── NotSent            the time to send had passed; nothing left this machine
│   └── BadSourceData      a source's whole answer cannot be read: its trouble, asked for again
└── PermanentError         this work only, until somebody mends it: parked with these words
    ├── ListUnreadable     a list of persons is missing, empty or no text
    ├── NotFoundInSource   a source does not know this key
    ├── MailboxMissing     Exchange does not know the mailbox, or no longer
    └── MailboxDenied      Exchange does not open the mailbox to us, or not yet
"""

import re
from datetime import timedelta


class KalenderError(Exception):
    """The base of all errors raised on purpose."""


class ConfigError(KalenderError):
    """The configuration cannot be used; the text names the key and the remedy."""


class NotificationError(KalenderError):
    """A message from the broker names no subject we understand; the text says why."""


class StateInDoubt(KalenderError):
    """The database may have been restored; the text names `kalender recover`."""


class ThreadDied(KalenderError):
    """A thread that its process cannot do without ended by a bug; its log line says which."""


class ClaimLost(KalenderError):
    """The claim is not ours: its lease ran out and another claimed, or `recover` ended it.

    Nothing may be written under it any more. A lease that ran out alone loses no claim.
    """


class NeighbourError(KalenderError):
    """A neighbour as a whole is away; `retry_after` is its own word on when, if it said.

    `concerns_all`: it said that of all that we ask, and not of one calendar.
    """

    def __init__(
        self,
        neighbour: str,
        text: str,
        *,
        retry_after: timedelta | None = None,
        concerns_all: bool = False,
    ) -> None:
        super().__init__(text)
        self.neighbour = neighbour
        self.retry_after = retry_after
        self.concerns_all = concerns_all


class NeighbourUnavailable(NeighbourError):
    """Connection refused, a timeout of an idempotent read, 502-504, or 429 to all that we ask.

    A 429 that Exchange says of one mailbox is a TransientError. The database is a neighbour as well,
    named `database`.
    """


class NeighbourRefused(NeighbourError):
    """The neighbour does not let us do what we ask."""


class NeighbourUnauthorised(NeighbourRefused):
    """The neighbour does not know our credentials: only a few more trials are safe."""


class NeighbourShut(NeighbourError):
    """Nothing was asked, and nobody failed: `retry_after` says when somebody may ask."""


class TransientError(KalenderError):
    """This piece of work failed now and may succeed later; `retry_after` as the server said."""

    def __init__(self, text: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class OutcomeUnknown(TransientError):
    """A changing request was sent and no readable answer came: it may have been carried out.

    `neighbour` is set where that is how a neighbour looks that is away as a whole.
    """

    def __init__(
        self, text: str, *, retry_after: timedelta | None = None, neighbour: str | None = None
    ) -> None:
        super().__init__(text, retry_after=retry_after)
        self.neighbour = neighbour


class NotSent(TransientError):
    """`send_seconds` had passed before the request left; it was certainly not carried out."""


class BadSourceData(TransientError):
    """A source answered something that cannot be read; the text begins with the neighbour's name.

    Where it is one item of many, whoever reads the many leaves that item out.
    """

    @property
    def neighbour(self) -> str:
        """Whose trouble it is: fs or tp."""
        return re.split(r"\W", str(self), maxsplit=1)[0]


class PermanentError(KalenderError):
    """This piece of work cannot succeed until somebody mends something; the text says what."""


class ListUnreadable(PermanentError):
    """A list of persons is missing, empty or cannot be read; never taken for an empty list."""


class NotFoundInSource(PermanentError):
    """A source does not know the key it was asked for (404)."""


class MailboxMissing(PermanentError):
    """Exchange does not know this mailbox."""


class MailboxDenied(PermanentError):
    """This mailbox does not open to us; that may pass by itself while a new scope spreads.

    `neighbour` is set where it opened before: then all may refuse us.
    """

    def __init__(self, text: str, *, neighbour: str | None = None) -> None:
        super().__init__(text)
        self.neighbour = neighbour
