"""Real processes are killed and all comes right; and where a mechanism lacks, that is seen."""

import re
from pathlib import Path

import pytest

from tests.chaos import draw
from tests.chaos.__main__ import Result, exit_code, main
from tests.chaos.judge import Found, leaks, names_only_ours, secrets_of
from tests.chaos.moves import AT_ONCE, SCRIPTS
from tests.chaos.sabotage import BREAKING, MISSED_ON
from tests.chaos.university import make

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
LAST = re.compile(
    r"(\d+) runs: (\d+) doubled, (\d+) lost, (\d+) foreign touched; (\d+) of (\d+) points"
)


SABOTAGES = draw.sabotages(BREAKING)


def test_all_comes_right_whoever_dies_wherever_and_every_mechanism_that_lacks_is_missed(
    running: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in running.items():
        monkeypatch.setenv(name, value)
    code = main(["--seed", "1", "--beside", "6", "--runs", "3", "--sabotage", "all"])
    said = capsys.readouterr().out
    whole, *lines = said.strip().splitlines()[-len(SABOTAGES) - 1 :]
    last = LAST.fullmatch(whole)
    assert last is not None, said
    assert (code, [int(number) for number in last.groups()]) == (1, [6, 0, 0, 0, 6, 6]), said
    for sabotage, line in zip(SABOTAGES, lines, strict=True):
        name, _, result = line.partition(": ")
        last = LAST.fullmatch(result)
        assert name == str(sabotage)
        assert last is not None, said
        doubled, lost, foreign = (int(number) for number in last.groups()[1:4])
        seen = (False, True) if sabotage.name == "no-fan-out" else (True, False)
        assert (doubled > 0, lost > 0) == seen, f"{sabotage}\n{said}"
        assert foreign == 0, f"{sabotage}\n{said}"
        assert f"SABOTAGE={sabotage.name}" in said  # the command that replays it


POINT = draw.Point(
    on_graph=False, day="timetable", name="course BIO1000 25h _mirror 1 after commit"
)
WELL = Result(runs=1, drawn={POINT}, reached={POINT})
NOT_REACHED = Result(runs=1, drawn={POINT})
WRONG = Result(runs=1, drawn={POINT}, reached={POINT}, total=Found(lost=["a calendar lacks one"]))


@pytest.mark.parametrize(
    ("clean", "sabotaged", "code"),
    [
        (WELL, [], 0),
        (NOT_REACHED, [], 1),
        (WRONG, [], 1),
        (Result(), [WRONG], 1),
        (WELL, [WRONG, WRONG], 1),
        (WELL, [WRONG, WELL], 0),  # one is not missed
        (WRONG, [WRONG], 0),  # nobody can say what is missed there
        (NOT_REACHED, [WRONG], 0),
    ],
)
def test_the_exit_code_says_whether_all_is_well_or_every_lack_is_missed(
    clean: Result, sabotaged: list[Result], code: int
) -> None:
    assert exit_code(clean, sabotaged) == code


def test_what_is_taken_away_over_ews_is_taken_away_over_graph() -> None:
    for name in ("no-write-ahead", "no-lookup", "no-token", "no-memory", "no-adoption"):
        assert {"ews", "graph"} <= {*MISSED_ON[name]}
    for name in ("no-write-ahead", "no-lookup", "no-token", "blind-retry", "no-second-look"):
        assert "graph-ignoring-ids" in MISSED_ON[name]


def some_points(day: str, name: str, number: int) -> list[draw.Point]:
    """Return so many points of a day on EWS, and half as many on Graph."""
    numbered = [(False, n) for n in range(number)] + [(True, n) for n in range(number // 2)]
    return [draw.Point(on_graph, day, name.format(n)) for on_graph, n in numbered]


def test_few_runs_draw_from_each_day_on_one_backend_and_more_from_all() -> None:
    days = ["timetable", "people", "teachers", "moves"]
    few, more = draw.numbered_days(days, 7), draw.numbered_days(days, 8)
    assert [day for day, _ in few] == days
    assert [on_graph for _, on_graph in few] == [False, True, False, True]
    assert sorted(more) == sorted((day, on_graph) for day in days for on_graph in (False, True))
    assert draw.numbered_days(days, 0) == []


def test_no_point_comes_again_before_all_others_a_third_is_on_graph_and_a_tenth_on_sqlite() -> None:
    points = some_points("timetable", "calendar st{} _end 1 after commit", 40)
    cases = draw.cases(points, 90, seed=1)
    chosen = [draw.Point(case.on_graph, case.day, str(case.point)) for case in cases]
    assert sorted(chosen[:60]) == sorted(points)
    assert len(set(chosen[60:])) == 30
    assert [case.backend for case in cases].count("graph") == 15
    assert [case.backend for case in cases].count("graph-ignoring-ids") == 15
    assert sorted((case.kind, case.on_graph) for case in cases if case.kind == "sqlite") == [
        *[("sqlite", False)] * 6,
        *[("sqlite", True)] * 3,
    ]
    assert {case.mishap for case in cases} == {"none", "cut", "stop", "restore"}


def test_in_a_third_of_the_runs_mailboxes_move_by_every_script() -> None:
    name = "calendar st{} _end 1 after commit"
    points = [*some_points("timetable", name, 80), *some_points("moves", name, 80)]
    cases = draw.cases(points, 120, seed=1)
    moving = [case for case in cases if case.moves]
    assert 3 * len(moving) >= len(cases)
    assert {case.moves for case in moving if case.day == "moves"} == {AT_ONCE}
    for on_graph in (False, True):
        scripts = {case.moves for case in moving if case.on_graph is on_graph}
        assert scripts == {*SCRIPTS}


def test_a_run_is_replayed_by_its_own_words() -> None:
    points = some_points("people", "person fs {} GET personer 1 before send", 20)
    for case in draw.cases(points, 20, seed=3):
        assert draw.replayed(str(case), 3, None) == case


def test_a_log_that_holds_a_name_is_told(tmp_path: Path) -> None:
    make(tmp_path / "university", seed=1)
    words = secrets_of(tmp_path / "university")
    assert {"st000001", "st000001@uio.example", "Fornavn0sen", "Forelesninger"} <= words
    log = tmp_path / "worker.log"
    log.write_text(
        '{"event": "calendar_reconciled", "calendar": 7, "reason": "course BIO1000 25h"}\n'
    )
    assert leaks([log], words) == []
    log.write_text('{"event": "calendar_reconciled", "calendar": "st000001"}\n')
    assert len(leaks([log], words)) == 1


@pytest.mark.parametrize(
    ("operation", "more", "ours"),
    [
        ("CreateItem", {"ids": ["a"], "keys": ["k"]}, True),
        ("CreateItem", {"ids": ["a"], "keys": []}, False),
        ("GetItem", {"ids": ["a"]}, True),
        ("GetItem", {"ids": ["a", "b"]}, False),
        ("DeleteItem", {"ids": ["b"]}, False),
        ("FindItem", {"ids": [], "restricted": True}, True),
        ("FindItem", {"ids": [], "restricted": False}, False),
        ("SyncFolderItems", {"ids": []}, False),
        ("CreateEvent", {"ids": ["a"], "keys": []}, False),
        ("CreateEvent", {"ids": ["a"], "keys": ["k"]}, True),
        ("GetEvent", {"ids": ["b"]}, False),
        ("UpdateEvent", {"ids": ["a"]}, True),
        ("DeleteEvent", {"ids": ["b"]}, False),
        ("PermanentDelete", {"ids": ["b"]}, False),
        ("ListEvents", {"ids": [], "restricted": True}, True),
        ("ListEvents", {"ids": [], "restricted": False}, False),
        ("CalendarView", {"ids": []}, False),
        ("Delta", {"ids": []}, False),
    ],
)
def test_a_request_names_our_ids_or_our_property(
    operation: str, more: dict[str, object], ours: bool
) -> None:
    assert names_only_ours({"operation": operation, **more}, {"a"}) is ours
