"""The project as a whole: its parts agree, and nothing names the place it was made."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import kalender

ROOT = Path(__file__).parents[2]


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    names = listed.stdout.split("\n") if not listed.returncode else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == kalender.__version__
    assert f"## {kalender.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_file_pins_by_hash_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|file:|--index|--find-links", lock)
    pinned = [line for line in lock.splitlines() if line and line[0].isalnum()]
    assert len(pinned) > 40
    assert all("==" in line for line in pinned)


def test_no_tracked_file_names_a_registry_or_a_home() -> None:
    forbidden = re.compile("|".join(["pypi" + r"\.org", "pythonhosted", "/ro" + "ot/", "/wo" + "rk/"]))
    texts = [p for p in _tracked() if p.suffix in {".py", ".toml", ".md", ".lock", ".sh", ""}]
    guilty = [p.name for p in texts if forbidden.search(p.read_text(errors="replace"))]
    assert guilty == []


def test_the_wheel_has_the_migrations_and_the_views(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert "kalender/_migrations/env.py" in names
    assert any(name.startswith("kalender/_migrations/versions/0001") for name in names)
    assert "kalender/store/views.sql" in names
