"""One request to a calendar backend, sent once: every end of it is told apart.

A request is not begun, is refused in words, or is of unknown outcome. What is sent is never sent
again here: whoever made the request decides.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from kalender.errors import NotSent
from kalender.transport import Adapter, caused_by


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
        if self.send_by is not None and time.monotonic() > self.send_by:
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
