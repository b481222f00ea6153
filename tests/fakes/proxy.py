"""A TCP proxy that can be cut, and that can speak TLS in front of a server that does not."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator


class Proxy:
    """Forwards to a port of this machine; `accepted` counts connections, `names` their SNI."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = port
        self.tls = tls
        self.accepted = 0
        self.names: list[str | None] = []
        self.refusing = False
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        if tls is not None:
            tls.sni_callback = self._note
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection there is."""
        while self.pairs:
            for end in self.pairs.pop():
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End for good."""
        self.refusing = True
        self.server.close()
        self.cut()

    def _note(self, _socket: object, name: str | None, _context: object) -> None:
        self.names.append(name)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.server.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:
            if self.refusing:
                return
            plain = self.tls.wrap_socket(near, server_side=True) if self.tls else near
            with plain, socket.create_connection(("127.0.0.1", self.target)) as far:
                self.accepted += 1
                self.pairs.append((plain, far))
                back = threading.Thread(target=_pump, args=(far, plain), daemon=True)
                back.start()
                _pump(plain, far)
                back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxied(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Run a proxy for a while."""
    proxy = Proxy(port, tls)
    try:
        yield proxy
    finally:
        proxy.close()
