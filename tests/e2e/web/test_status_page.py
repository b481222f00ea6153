"""The status page shows what `kalender status --json` says, in words of three languages."""

import re
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import select, update

from kalender.app import App, clock_from
from kalender.cli.status import as_values
from kalender.config import load
from kalender.domain import lists
from kalender.domain.takeover import Fate
from kalender.domain.work import Cause, Kind, Lane, Mark
from kalender.neighbours import breaker
from kalender.operate import queries
from kalender.operate.sentence import LANGUAGES
from kalender.operate.status import LastWrites, WatchedCounts
from kalender.operate.verdict import STATES
from kalender.store import queue, rollouts, takeovers
from kalender.store.heartbeats import Heartbeat
from kalender.store.tables import calendar, dirty
from kalender.web.page import WebRole
from kalender.web.words import WORDS, say
from tests.e2e.conftest import NOW, Template
from tests.e2e.house import House
from tests.e2e.web.conftest import Pages, installed, served

pytestmark = pytest.mark.e2e
NO_WRITES = LastWrites(latencies=(), writes=())  # which the page does not show
SCRIPT = "<script>alert(1)</script>"


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def cells(text: str, table: str) -> list[list[str]]:
    """The rows of a table of the page, as texts."""
    part = text.partition(f'<table aria-labelledby="{table}">')[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", part.partition("<tbody>")[2], re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", r)] for r in rows]


def test_a_status_without_trouble_says_so_with_its_figures(pages: Pages) -> None:
    text = pages.get("/", WebRole.STATUS).text
    assert "All is as it should be" in text
    assert "nothing is due; no worker lives" in text
    snapshot = pages.site_snapshot()
    told = as_values(snapshot.status, snapshot.figures, NO_WRITES, snapshot.verdict)
    assert told["right"]
    assert [[row[1], row[2], row[3]] for row in cells(text, "right")] == [
        [str(count.inside), str(count.right), str(count.outside)]
        for count in snapshot.figures.right
    ]
    asked = [neighbour.name for neighbour in snapshot.status.neighbours]
    assert [row[0] for row in cells(text, "neighbours")] == asked
    for name in ("parked", "missing", "lost", "unmatched_staff"):
        line = f"{say('en', f'status.count.{name}')} {told[name]}"
        assert line in plain(text)


def test_lists_and_takeovers_stand_on_the_page_and_at_the_terminal(filled: House) -> None:
    listed, unread = filled.directory / "reserved.txt", filled.directory / "none.txt"
    listed.write_text("st000003\nnobody\n")
    filled.config.write_text(
        f'{filled.config.read_text()}\n[optout.reserved]\nfile = "{listed}"\n'
        f'[optout.unread]\nfile = "{unread}"\n'
    )
    filled.run("optout", "sync", expect=1)
    wired = App(load(filled.config, {}), clock_from(datetime.fromisoformat(NOW)))
    with served(wired) as pages:
        with pages.database.write() as connection:
            numbers = sorted(connection.execute(select(calendar.c.calendar_id)).scalars())[:3]
            takeovers.wish(
                connection, numbers, unmatched="stop", up_to=0, who="ola", interval=timedelta()
            )
            takeovers.set_done(connection, numbers[0])
            takeovers.stop(connection, numbers[1], "a test")
        text = pages.get("/", WebRole.STATUS).text
        snapshot = pages.site_snapshot()
        with pages.database.write() as connection:
            takeovers.wish_back(connection, numbers[:1], interval=timedelta())
            takeovers.set_undone(connection, numbers[0])
            for mode in ("all", "off", "listed"):  # the database counts as sets of numbers do
                inside = rollouts.inside(connection, mode)
                counted = queries.right_by_audience(connection, inside)
                assert queries.right_now(connection, mode) == counted
    told: dict[str, Any] = as_values(snapshot.status, snapshot.figures, NO_WRITES, snapshot.verdict)
    rows = {row[0]: row for row in cells(text, "lists")}
    assert rows["reserved"][3:] == ["2", "1", "1", "0", "0", ""]
    assert (rows["unread"][2], bool(rows["unread"][8])) == ("", True)
    assert [each["name"] for each in told["lists"]] == sorted(rows)
    assert "1 of 3 calendars are taken over." in text
    for name, count in told["takeovers"]["calendars"].items():
        assert f"{say('en', f'status.takeover.{name}')} {count}" in plain(text)
    terminal = filled.run("status")
    assert "entries of the predecessor" in terminal
    assert "reserved" in terminal


def test_trouble_opens_the_page_and_is_text_whatever_it_says(
    tmp_path: Path, template: Template
) -> None:
    wired = installed(tmp_path, template)
    with served(wired) as pages:
        Heartbeat(worker=SCRIPT).beat(pages.database)
        with pages.database.write() as connection:
            breaker.hold(connection, "fs", until=breaker.FOR_EVER, reason=SCRIPT, by="ola <b>")
            queue.mark(
                connection,
                [Mark(Kind.COURSE, "BIO1000 25h", "test", cause=Cause.OTHER, lane=Lane.LIVE)],
            )
            late = pages.database.now() - timedelta(minutes=7)
            connection.execute(update(dirty).values(due_at=late, first_marked_at=late))
        text = pages.get("/", WebRole.STATUS).text
        assert 'href="/operations#neighbours"' in pages.get("/", WebRole.OPERATOR).text
    assert "Something is stuck" in text
    assert "Work is late" in text
    assert SCRIPT not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert [part.partition(":")[0] for part in cells(text, "neighbours")[1][:2]] == [
        "fs",
        "paused by hand",
    ]
    assert cells(text, "work")[0][:5] == ["live changes", "courses", "1", "0", "1"]
    assert cells(text, "processes")[0][1] == "lives"


def test_without_the_database_a_page_says_so_and_comes_back_with_it(
    tmp_path: Path, template: Template
) -> None:
    wired = installed(tmp_path, template)
    file, aside = tmp_path / "k.db", tmp_path / "aside.db"
    with served(wired) as pages:
        file.rename(aside)
        file.mkdir()
        answer = pages.get("/")
        assert answer.status_code == 503
        assert "The database does not answer" in answer.text
        file.rmdir()
        aside.rename(file)
        assert pages.get("/").status_code == 200


def test_every_word_is_there_in_all_languages() -> None:
    for key, texts in WORDS.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(text.strip() for text in texts), key
        names = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts]
        assert names[0] == names[1] == names[2], key
    for group, values in (
        ("status.state", STATES),
        ("status.kind", [kind.value for kind in Kind]),
        ("status.lane", [lane.name.lower() for lane in Lane]),
        ("status.count", [field.name for field in fields(WatchedCounts)]),
        ("status.takeover", takeovers.STATES),
        ("status.fate", [fate.value for fate in Fate]),
        ("status.list_kind", get_args(lists.Kind)),
        ("site.role", [str(role.value) for role in WebRole]),
    ):
        for value in values:
            assert say("en", f"{group}.{value}")
