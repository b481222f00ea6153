"""The digest of the settings stays as it was, so that an upgrade rewrites no calendar.

The expected digests were recorded once. A changed digest means that every calendar counts as
written under other settings, and that whoever upgrades is asked whether to rewrite all of them.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from kalender.app import App, clock_from
from kalender.config import load
from kalender.config.calendar import RoleCalendar
from kalender.domain.render import Style
from kalender.domain.timetable import Rules
from kalender.reconcile.desired import CalendarSettings
from kalender.store.database import Database

EXAMPLE = Path("config.example.toml")
CHANGED = r"""
[institution]
number = 42
name = "https://uni.example/"
time_zone = "Asia/Tokyo"
language = "nn"
mail_domains = ["uni.example"]
[fs]
base_url = "https://fs.uni.example"
api_key = "a"
username = "reader"
password = "b"
accepted_offer_statuses = ["X", "I", "Å"]
offer_status = "ignore"
teaching_roles = ["LÆRER", "ASSISTENT"]
[tp]
base_url = "https://tp.uni.example"
api_key = "c"
semesters = ["25h", "26v"]
skip = ["NONE*"]
[exchange.old]
endpoint = "https://mail.uni.example/EWS/Exchange.asmx"
username = "UNI\\kalender"
password = "d"
[calendar]
subject = "{title} ({course})"
cancelled_prefix = { nn = "Borte: ", en = "Gone: " }
body = "Av {institution}, spør {contact}."
contact = "https://help.example/"
busy = "free"
reminder_minutes = 15
category = ""
past_days = 3
future_days = 60
unplaced = "nobody"
teacher_unit_fallback = "free"
restore_edited = false
restore_deleted = false
max_restores = 7
delete = "hard"
[calendar.teacher]
subject = { nb = "nb {course}", nn = "nn {kind}", en = "en {title}" }
category = "Arbeid 'heime'"
busy = "busy"
teacher_unit_fallback = "busy"
past_days = 5
"""


def wired(path: Path) -> App:
    return App(load(path, {}), clock_from(None))


@pytest.fixture
def changed(tmp_path: Path) -> App:
    path = tmp_path / "kalender.toml"
    path.write_text(CHANGED, encoding="utf-8")
    return wired(path)


def credentials(app: App) -> dict[str, str]:
    limiters = app.limiters(Database("sqlite:////nowhere/kalender.db"))
    return {name: limiter.limits.credentials for name, limiter in limiters.by_name.items()}


def test_the_digest_of_the_example_is_what_it_was() -> None:
    assert wired(EXAMPLE).settings().digest == "a1f5cc3e80a63d05"


def test_the_digest_of_settings_that_are_all_changed_is_what_it_was(changed: App) -> None:
    assert changed.settings().digest == "dc0d7f862365a6fe"
    usual = load(EXAMPLE, {}).calendar.by_role["student"]
    own = changed.config.calendar.by_role["student"]
    assert all(getattr(own, name) != getattr(usual, name) for name in RoleCalendar.model_fields)


def test_the_digests_of_credentials_are_what_they_were(changed: App) -> None:
    assert credentials(wired(EXAMPLE)) == {
        "fs": "cb46a54031d7f56e",
        "tp": "6760f8e1fbbf1564",
        "exchange.main": "bb57c78627954ad1",
    }
    assert credentials(changed) == {
        "fs": "99589329880f11fd",
        "tp": "7c2f4d87f8c7eb8c",
        "exchange.old": "0eda54cf883adbab",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterRules(Rules):
    """The rules of a later release."""

    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterStyle(Style):
    """The style of a later release."""

    later: str = ""


def later(settings: CalendarSettings, *, rule: bool = False, text: str = "") -> str:
    """Return the digest of the same settings in a later release with two more options."""
    return CalendarSettings(
        rules={
            role: LaterRules(**options(rules), later=rule) for role, rules in settings.rules.items()
        },
        styles={
            role: LaterStyle(**options(style), later=text)
            for role, style in settings.styles.items()
        },
    ).digest


def options(settings: Rules | Style) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def test_a_new_option_counts_only_where_it_is_used(changed: App) -> None:
    for settings in (wired(EXAMPLE).settings(), changed.settings()):
        assert later(settings) == settings.digest
        used = {later(settings, rule=True), later(settings, text="new"), settings.digest}
        assert len(used) == 3
