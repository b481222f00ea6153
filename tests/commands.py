"""Run a command in a process of its own that is forked from one in which Kalender is loaded.

To load Kalender takes a second of a processor, mostly more than the command itself, and the tests
run thousands of commands. The process is as real as any: it has its own environment, output, exit
code, signals and children. What only a start from nothing shows (the wheel, the demonstration, an
older release, a command that is told to stop) is started from nothing.
"""

import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Protocol

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.loaded"])


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended, and all that it printed."""

    returncode: int
    stdout: str
    stderr: str


def run(
    words: Sequence[str], *, env: dict[str, str] | None = None, text: str = "", timeout: float
) -> Done:
    """Run `kalender` with these words, `text` on its standard input, in `env` or our environment.

    Raises TimeoutError where it does not end within `timeout` seconds; it is killed.
    """
    variables = dict(os.environ) if env is None else env
    if is_measured(variables):
        command = [sys.executable, "-m", "kalender", *words]
        return from_nothing(command, env=variables, text=text, timeout=timeout)
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "stdin").write_text(text, "utf-8")
        files = tuple(f"{directory}/{stream}" for stream in ("stdin", "stdout", "stderr"))
        process = _forked(words, variables, files)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            said = (directory / "stderr").read_text("utf-8")[-3000:]
            raise TimeoutError(f"{' '.join(words)}: still running after {timeout:g} s\n{said}")
        stdout, stderr = ((directory / n).read_text("utf-8") for n in ("stdout", "stderr"))
        return Done(process.exitcode, stdout, stderr)


def from_nothing(
    command: Sequence[str], *, env: dict[str, str] | None = None, text: str = "", timeout: float
) -> Done:
    """Run a whole command line as a shell would; so a package is tried, and coverage measured."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=env,
        timeout=timeout,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Process(Protocol):
    """A command that runs on: what `subprocess.Popen[str]` and `ForkedProcess` have in common."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def stdin(self) -> IO[str] | None:
        """Where it reads, if that was asked for."""

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it ended; raise subprocess.TimeoutExpired before."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """Kill it."""


def start(words: Sequence[str], *, env: dict[str, str], log: Path, stdin: bool = False) -> Process:
    """Run `kalender` with these words in the background; all that it prints is added to `log`."""
    if is_measured(env):
        return start_from_nothing([sys.executable, "-m", "kalender", *words], env, log, stdin=stdin)
    return ForkedProcess(words, env, log, stdin=stdin)


def start_from_nothing(
    command: Sequence[str], env: dict[str, str], log: Path, *, stdin: bool
) -> "subprocess.Popen[str]":
    """Run a whole command line in the background; all that it prints is added to `log`."""
    with log.open("a") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            text=True,
            bufsize=1,
            env=env,
        )


class ForkedProcess:
    """A forked command that runs on, with the methods of a `subprocess.Popen` that tests use."""

    def __init__(
        self, words: Sequence[str], env: dict[str, str], log: Path, *, stdin: bool
    ) -> None:
        self.words = list(words)
        self.stdin: IO[str] | None = None
        source = os.devnull
        with TemporaryDirectory() as directory:
            if stdin:
                source = f"{directory}/stdin"
                os.mkfifo(source)
            self.process = _forked(words, env, (source, str(log), str(log)))
            if stdin:  # both ends wait here for each other
                self.stdin = Path(source).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115

    @property
    def pid(self) -> int:
        """Its number."""
        number = self.process.pid
        assert number is not None
        return number

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it ended; raise subprocess.TimeoutExpired before."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.words, timeout or 0.0)
        return self.process.exitcode

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def is_measured(variables: dict[str, str]) -> bool:
    """Whether coverage is measured, which only a start from nothing begins."""
    return "COVERAGE_PROCESS_CONFIG" in variables or "COVERAGE_PROCESS_CONFIG" in os.environ


Files = tuple[str, ...]  # of standard input, output and error


def _forked(words: Sequence[str], variables: dict[str, str], files: Files) -> ForkServerProcess:
    process = FORKS.Process(target=_command, args=(list(words), variables, files, Path.cwd()))
    process.start()
    return process


def _command(words: list[str], variables: dict[str, str], files: Files, where: Path) -> None:
    """Be the command; in the forked process."""
    os.chdir(where)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background ignores
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    for number, name in enumerate(files):
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
        file = os.open(name, how, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    if "PYTHONFAULTHANDLER" in variables:
        faulthandler.enable()
    sys.argv = ["kalender", *words]
    from kalender.cli import main  # noqa: PLC0415  # loaded already, where this was forked from

    main()
