"""Who looks: signed cookies, the one-time token of a start on loopback, and the tokens of forms.

A session is a signed cookie and stands nowhere else, so every process with the same key knows it.
What ends one early (signing out, the use of the one-time token) is known to this process alone.
"""

import secrets
import threading
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer

from kalender.web.page import Role, Session

KEY_BYTES = 32
LOOK_UPS_A_MINUTE = 30
MINUTE = 60.0
PAGES_A_SECOND = 10.0
PAGES_AT_ONCE = 200


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

    def begin(self, who: str, role: Role) -> tuple[Session, str]:
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
            session = Session(session_id=str(session_id), who=str(who), role=Role(role))
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


class PageLimit:
    """How many pages are answered to one name: ten a second, and two hundred at once after a rest.

    No person asks for more, and a script that does would take from the workers what they compute
    with. What pages cost stands in docs/performance.md.
    """

    def __init__(
        self,
        a_second: float = PAGES_A_SECOND,
        at_once: int = PAGES_AT_ONCE,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._a_second, self._at_once, self._clock = a_second, at_once, clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # name -> pages, and as of when

    def allows(self, who: str) -> bool:
        """Count one page; return whether it is within the limit."""
        with self._lock:
            now = self._clock()
            left, since = self._left.get(who, (float(self._at_once), now))
            left = min(float(self._at_once), left + (now - since) * self._a_second)
            is_allowed = left >= 1
            self._left[who] = (left - is_allowed, now)
            return is_allowed
