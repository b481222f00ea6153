"""The project as a whole: its parts agree, and nothing names the place it was made."""

import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest

import kalender

ROOT = Path(__file__).parents[2]


def _tracked() -> list[Path]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(found) > 50
    return [path for path in found if path.is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(directory.glob("*.whl"))


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == kalender.__version__
    assert f"## {kalender.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_file_pins_by_hash_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|file:|--index|--extra-index|--find-links| @ ", lock)
    requirements = re.findall(r"^[^\s#].*(?:\n    --hash.*)*", lock, re.MULTILINE)
    assert len(requirements) > 40
    for requirement in requirements:
        assert re.match(r"[\w.-]+==\S+ .*\\\n    --hash=sha256:", requirement), requirement


def test_the_lock_file_holds_all_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[<>=! ]", each)[0].lower() for each in asked}
    lock = (ROOT / "requirements.lock").read_text()
    assert names - set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)) == set()


def test_no_tracked_file_names_a_registry_or_this_checkout() -> None:
    forbidden = re.compile(f"[p]ypi[.]org|[p]ythonhosted|{re.escape(str(ROOT))}/")
    guilty = [p.name for p in _tracked() if forbidden.search(p.read_text(errors="replace"))]
    assert guilty == []


def test_the_wheel_holds_the_package_and_its_migrations_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "kalender/_migrations/env.py" in names
    assert "kalender/_migrations/versions/0001_first.py" in names
    assert "kalender/store/views.sql" in names
    assert {name.split("/")[0] for name in names} == {
        "kalender",
        f"kalender-{kalender.__version__}.dist-info",
    }


def test_the_wheel_brings_a_database_up_to_date(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = (
        "import sys, kalender;"
        f"assert kalender.__file__.startswith({str(tmp_path)!r}), kalender.__file__;"
        "from kalender.store import migrations;"
        "from kalender.store.database import Database;"
        f"database = Database('sqlite:///{tmp_path}/kalender.db');"
        "migrations.upgrade(database);"
        "migrations.require_current(database)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
    )
