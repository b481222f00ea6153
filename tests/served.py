"""The sandbox in a process that is forked from one in which it is loaded, as commands are.

It serves as `kalender.sandbox.server.start` does, without the time that a start from nothing takes.
"""

from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from kalender.sandbox.server import Endpoints, Running, serve
from kalender.sandbox.server import start as start_from_nothing
from tests.commands import FORKS, is_measured


class ForkedSandbox(Running):
    """A sandbox in a forked process, ended with the `with` block."""

    def __init__(self, process: ForkServerProcess, endpoints: Endpoints) -> None:
        self.process, self.endpoints = process, endpoints

    def close(self) -> None:
        """End the process, at the latest after some seconds."""
        self.process.terminate()
        self.process.join(5)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def start(university: Path) -> Running:
    """Serve a university in another process, and return when it answers."""
    if is_measured({}):
        return start_from_nothing(university)
    ours, its = FORKS.Pipe(duplex=False)
    with ours, its:
        process = FORKS.Process(target=_serve, args=(university, its), daemon=True)
        process.start()
        its.close()
        try:
            return ForkedSandbox(process, ours.recv())
        except EOFError:
            process.join()
            message = f"the sandbox did not start (exit code {process.exitcode})"
            raise RuntimeError(message) from None


def _serve(university: Path, ready: "Connection[Endpoints, None]") -> None:
    serve(university, ready=ready.send)
