"""How requests over HTTP go to every neighbour: whom they trust, and that each of them ends.

A timeout of requests and urllib3 bounds each single read: an answer that drips a byte a second
never meets it. Here the same number of seconds bounds the whole answer, from the moment at which
the request has left. The machine's own list of authorities is trusted, as by the broker's client,
and not the one that requests brings along.

What is sent once (`Deadline`, `ends_told_apart`) is never sent again here: a request is not begun,
is refused in words, or is of unknown outcome, and whoever made it decides.
"""

import http.client
import io
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util import Retry

from kalender.errors import NotSent

LARGEST = 256 * 1024 * 1024  # bytes of an answer: a hundred times the largest of a real term


class TooLarge(OSError):
    """An answer is larger than any that is right."""


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return what verifies a server: by this file of authorities in PEM, or the machine's list.

    A machine without any list (a bare container) takes the one that requests brings. Raises OSError
    where the file holds no certificates.
    """
    # where OpenSSL looks for authorities; SSL_CERT_FILE may name the place
    paths = ssl.get_default_verify_paths()
    has_list = bool(paths.cafile) or (bool(paths.capath) and any(os.scandir(paths.capath)))
    if ca_file is None and not has_list:
        return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    return ssl.create_default_context(cafile=ca_file)


class _Whole(io.RawIOBase):
    """A socket's bytes up to a deadline and a size."""

    def __init__(self, raw: Any, sock: socket) -> None:
        self._raw, self._sock = raw, sock  # requests_ntlm looks for `_sock`: the channel's binding
        timeout = sock.gettimeout()
        self._deadline = monotonic() + timeout if timeout is not None else None
        self._left = LARGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there; TimeoutError beyond the deadline, TooLarge beyond the size."""
        if self._deadline is not None:
            remaining = self._deadline - monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._sock.settimeout(remaining)
        number: int | None = self._raw.readinto(buffer)
        self._left -= number or 0
        if self._left < 0:
            raise TooLarge
        return number

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head and body together meet the deadline."""

    def __init__(self, sock: socket, *args: Any, **keywords: Any) -> None:
        super().__init__(sock, *args, **keywords)
        self.fp = io.BufferedReader(_Whole(self.fp.detach(), sock))


class _Plain(HTTPConnection):
    response_class = _Response


class _Tls(HTTPSConnection):
    response_class = _Response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class Adapter(HTTPAdapter):
    """What carries the requests of a session to one neighbour.

    It answers with requests' own errors; ReadTimeout, or a ConnectionError around urllib3's
    ReadTimeoutError, where the whole answer took longer than the request's timeout.
    """

    def __init__(self, *, ca_file: Path | None, connections: int, retries: Retry | int = 0) -> None:
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        super().__init__(
            pool_connections=1, pool_maxsize=connections, max_retries=retries, pool_block=True
        )

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        """Make pools of such connections."""
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def build_connection_pool_key_attributes(self, *args: Any, **keywords: Any) -> Any:
        """Let a pool that speaks TLS trust whom we trust."""
        host, pool = super().build_connection_pool_key_attributes(*args, **keywords)
        if host["scheme"] == "https":
            # read when it is needed: most commands ask nobody, and the list takes a while
            self._context = self._context or trusting(self._ca_file)
            pool["ssl_context"] = self._context
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002
        """Verify by our own list alone: requests would add the one it brings along."""
        conn.cert_reqs = "CERT_REQUIRED"


# -- what is sent once ------------------------------------------------------------------------------


class NotConnected(Exception):
    """No connection could be made: the request was certainly not carried out."""


class Lost(Exception):
    """The request began to leave, and no whole answer came."""


class Deadline(Adapter):
    """Looks at the clock last of all before the socket; never re-sends."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(ca_file=ca_file, connections=1)
        self.send_by: float | None = None

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send, or raise NotSent."""
        if self.send_by is not None and monotonic() > self.send_by:
            raise NotSent("send_seconds had passed before the request left")
        return super().send(request, *args, **kwargs)


@contextmanager
def ends_told_apart() -> Iterator[None]:
    """Raise NotConnected or Lost for whatever requests raises of one request."""
    try:
        yield
    except requests.exceptions.ConnectTimeout as error:
        raise NotConnected("ConnectTimeout") from error
    except requests.exceptions.SSLError as error:
        kind = NotConnected if "CERTIFICATE" in str(error).upper() else Lost
        raise kind("SSLError") from error
    except requests.exceptions.ConnectionError as error:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        kind = NotConnected if isinstance(reason, NewConnectionError) else Lost
        late = kind is Lost and caused_by(error, TimeoutError)
        raise kind("ReadTimeout" if late else type(error).__name__) from error
    except requests.exceptions.RequestException as error:
        raise Lost(type(error).__name__) from error


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error, and what led to it, the innermost last."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error, or one of those that led to it, is of this kind."""
    return any(isinstance(cause, kind) for cause in causes(error))
