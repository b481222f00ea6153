"""Run a command in a process of its own that is forked from one in which Kalender is loaded.

To load Kalender takes a second of a processor, mostly more than the command itself, and the tests
run thousands of commands. The process is as real as any: it has its own environment, output, exit
code, signals and children. What only a start from nothing shows (the wheel, the demonstration,
listeners and workers that run on) is started from nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

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
    if "COVERAGE_PROCESS_CONFIG" in variables or "COVERAGE_PROCESS_CONFIG" in os.environ:
        command = [sys.executable, "-m", "kalender", *words]
        return from_nothing(command, env=variables, text=text, timeout=timeout)
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "stdin").write_text(text, "utf-8")
        process = FORKS.Process(target=_command, args=(list(words), variables, name, Path.cwd()))
        process.start()
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


def _command(words: list[str], variables: dict[str, str], directory: str, where: Path) -> None:
    """Be the command; in the forked process."""
    os.chdir(where)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        file = os.open(f"{directory}/{name}", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["kalender", *words]
    from kalender.cli import main  # noqa: PLC0415  # loaded already, where this was forked from

    main()
