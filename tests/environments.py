"""Environments beside ours, for programs of others: nothing of them is a dependency of ours."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder of the checkout, and the packages with their versions that stand in it."""

    folder: str
    packages: tuple[str, ...]

    def program(self, name: str) -> str:
        """Return the path of a program; all packages are installed where they are not yet."""
        directory = ROOT / self.folder
        installed, packages = directory / "packages", "\n".join(self.packages)
        python = str(directory / "bin" / "python")
        if not installed.exists() or installed.read_text() != packages:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
            pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, *self.packages], check=True)
            installed.write_text(packages)
        return str(directory / "bin" / name)
