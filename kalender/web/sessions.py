"""Who looks: signed cookies, the one-time token of a start on loopback, and the tokens of forms.

A session is a signed cookie and stands nowhere else, so every process with the same key knows it.
What ends one early (signing out, the use of the one-time token) is known to this process alone.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer

from kalender.web.page import Session, WebRole

KEY_BYTES = 32
LOOK_UPS_A_MINUTE = 30
MINUTE = 60.0


class Sessions:
    """Makes sessions, and recognises its own. Usable from several threads.

    `key` signs everything; a random one ends all sessions with the process. `lasting` is how long a
    session is believed after it was made.
    """

    def __init__(self, key: str, *, lasting: timedelta) -> None:
        self.lasting = lasting
        self._cookies = URLSafeTimedSerializer(key, salt="kalender session")
        self._forms = URLSafeSerializer(key, salt="kalender form")
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}  # session -> when it was ended

    def begin(self, who: str, role: WebRole) -> tuple[Session, str]:
        """Begin a session; return it with the value of its cookie."""
        session = Session(session_id=secrets.token_urlsafe(16), who=who, role=role)
        return session, str(self._cookies.dumps([session.session_id, who, int(role)]))

    def of(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None where it is forged, too old, ended or lacking."""
        if not cookie:
            return None
        try:
            value = self._cookies.loads(cookie, max_age=int(self.lasting.total_seconds()))
            session_id, who, role = value
            session = Session(session_id=str(session_id), who=str(who), role=WebRole(role))
        except (BadSignature, TypeError, ValueError):
            return None
        with self._lock:
            return None if session.session_id in self._ended else session

    def end(self, session: Session) -> None:
        """Believe its cookie no more."""
        now = monotonic()
        with self._lock:
            longest = self.lasting.total_seconds()
            self._ended = {key: at for key, at in self._ended.items() if now - at < longest}
            self._ended[session.session_id] = now

    def form_token(self, session: Session) -> str:
        """Return the token that every form of this session holds."""
        return str(self._forms.dumps(session.session_id))

    def is_form_token(self, session: Session, token: str) -> bool:
        """Whether a form that brought this token was made for this session."""
        return secrets.compare_digest(self.form_token(session).encode(), token.encode())


class OneTimeToken:
    """The word in the address that a start on loopback prints: it is believed once."""

    def __init__(self) -> None:
        self.value = secrets.token_urlsafe(KEY_BYTES)
        self._lock = threading.Lock()
        self._is_used = False

    def use(self, token: str) -> bool:
        """Return whether this is the token, and was not used before; from then on it is."""
        with self._lock:
            is_right = secrets.compare_digest(self.value.encode(), token.encode())
            if not is_right or self._is_used:
                return False
            self._is_used = True
            return True


class LookUpLimit:
    """How many look-ups of persons one name may make in a minute; the next minute begins anew."""

    def __init__(
        self, most: int = LOOK_UPS_A_MINUTE, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._since = clock()
        self._counts: dict[str, int] = {}

    def allows(self, who: str) -> bool:
        """Count one look-up; return whether it is within the limit."""
        with self._lock:
            if self._clock() - self._since > MINUTE:
                self._since, self._counts = self._clock(), {}
            self._counts[who] = self._counts.get(who, 0) + 1
            return self._counts[who] <= self._most


@dataclass(frozen=True, slots=True)
class Rate:
    """So many pages a second, and so many at once after a rest."""

    a_second: float
    at_once: int


OF_ONE_NAME = Rate(5, 100)
OF_ALL_NAMES = Rate(6, 200)


class PageLimit:
    """How many pages are answered, to one name and to all together. Usable from several threads.

    No help desk asks for more, and a script that does would take from the workers what they compute
    with. What pages cost stands in docs/performance.md.
    """

    def __init__(
        self,
        of_one_name: Rate = OF_ONE_NAME,
        of_all_names: Rate = OF_ALL_NAMES,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rate, self._clock = of_one_name, clock
        self._lock = threading.Lock()
        self._by_name: dict[str, _Allowance] = {}
        self._of_all = _Allowance(of_all_names, clock())
        self._refused, self._told_at = 0, -MINUTE

    def allows(self, who: str) -> bool:
        """Count one more page, as answered or as refused; return whether it is within both limits."""
        with self._lock:
            now = self._clock()
            of_name = self._by_name.setdefault(who, _Allowance(self._rate, now))
            is_allowed = min(each.at(now) for each in (of_name, self._of_all)) >= 1
            for each in (of_name, self._of_all):
                each.pages -= is_allowed
            self._refused += not is_allowed
            return is_allowed

    def refusals_to_tell(self) -> int:
        """Return how many were refused since this was last asked; 0 within a minute of that."""
        with self._lock:
            now = self._clock()
            if now - self._told_at < MINUTE:
                return 0
            refused, self._refused, self._told_at = self._refused, 0, now
            return refused


class _Allowance:
    """How many pages may be asked for at once, as of an instant."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate, self.since, self.pages = rate, now, float(rate.at_once)

    def at(self, now: float) -> float:
        """Let time pass until this instant; return how many pages there are then."""
        more = (now - self.since) * self.rate.a_second
        self.since, self.pages = now, min(float(self.rate.at_once), self.pages + more)
        return self.pages
