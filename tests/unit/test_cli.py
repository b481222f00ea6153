"""The options that all commands share may stand anywhere."""

import pytest

from kalender.cli import hoisted


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["status", "--config", "c.toml"], ["--config", "c.toml", "status"]),
        (
            ["--verbose", "worker", "--now=2025-08-18T08:00+02:00", "--until-idle"],
            ["--now=2025-08-18T08:00+02:00", "--verbose", "worker", "--until-idle"],
        ),
        (["resync", "--all"], ["resync", "--all"]),
    ],
)
def test_shared_options_come_first_wherever_they_were_given(
    given: list[str], meant: list[str]
) -> None:
    assert hoisted(given) == meant
