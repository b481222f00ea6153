"""Makes a university of any size; the same seed makes the same one."""

from pathlib import Path


def generate(directory: Path, *, students: int, seed: int = 1) -> None:
    """Write a university's directory."""
    raise NotImplementedError(directory, students, seed)
