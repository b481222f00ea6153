"""The peers' programs, in an environment of their own: nothing of them is a dependency of ours."""

import subprocess
import sys
from pathlib import Path

PACKAGES = (
    "vdirsyncer==0.21.0",
    "radicale==3.9.0",
    "pgqueuer==1.6.0",
    "asyncpg==0.32.0",
)
ENVIRONMENT = Path(__file__).parents[2] / ".venv-peers"


def program(name: str) -> str:
    """Return the path of a program; all are installed where they are not yet."""
    held, wanted = ENVIRONMENT / "packages", "\n".join(PACKAGES)
    if not held.exists() or held.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        pip = [_path("python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        held.write_text(wanted)
    return _path(name)


def _path(name: str) -> str:
    return str(ENVIRONMENT / "bin" / name)
