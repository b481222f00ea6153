"""A reverse proxy that signs people in: what its headers say of who asks, and when that is believed.

The way to us is the proxy's own: a Unix socket that only it may open, or a secret that it sends
along with each request. A request that lacks what it must bring, or brings it twice, is nobody's.
"""

import secrets
from collections.abc import Sequence

from kalender.config.web import ProxySettings
from kalender.web.groups import role_of
from kalender.web.page import PageError, WebRole

LONGEST_NAME = 120
Headers = Sequence[tuple[bytes, bytes]]  # as they came, names in small letters


class Proxy:
    """Believes the headers of one proxy.

    With a `shared_secret` in the settings that is asked for on every way; without one whoever
    reaches us is the proxy, so only a socket may lead here.
    """

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings

    def signed_in(self, headers: Headers) -> tuple[str, WebRole]:
        """Return who asks, and their role; PageError where the headers do not say it as they must."""
        settings = self._settings
        if settings.shared_secret is not None:
            given = self._only(headers, settings.secret_header)
            expected = settings.shared_secret.get_secret_value().encode()
            if not secrets.compare_digest(given, expected):
                raise PageError(401, "error.proxy", because="proxy_secret")
        who = self._text(headers, settings.user_header)
        if not who or len(who) > LONGEST_NAME:
            raise PageError(401, "error.proxy", because="proxy_user")
        groups = self._text(headers, settings.groups_header)
        names = [name.strip() for name in groups.split(settings.groups_separator)]
        role = role_of(names, settings)
        if role is None:
            raise PageError(403, "error.no_role", because="no_role")
        return who, role

    def _text(self, headers: Headers, name: str) -> str:
        try:
            text = self._only(headers, name).decode().strip()
        except UnicodeDecodeError:
            text = "\0"
        if not text.isprintable():
            raise PageError(401, "error.proxy", because="proxy_header")
        return text

    @staticmethod
    def _only(headers: Headers, name: str) -> bytes:
        """Return the value of a header that came once; PageError where it is lacking or came twice."""
        values = [value for key, value in headers if key == name.lower().encode()]
        if len(values) != 1:
            raise PageError(401, "error.proxy", because="proxy_header")
        return values[0]
