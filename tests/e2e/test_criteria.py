"""Each thing that a roll-out goes by, on a made-up university: on to the end, and off again."""

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.e2e.conftest import NOW, pause
from tests.e2e.house import House, fails
from tests.fewer_events import generate_with_fewer_events
from tests.served import start

pytestmark = pytest.mark.e2e
READ = "[fs]\norganisations = true\nprogrammes = true\n"
REFUSED = [
    (
        ("faculty", "99"),
        "nothing of faculty 99 is mirrored; there are 185,12, 185,14, 185,15, 185,17",
    ),
    (("faculty", "150500"), "150500 is a department: rollout add department 150500"),
    (("department", "15"), "15 is a faculty: rollout add faculty 15"),
    (("department", "15,9"), "nothing of department 15,9 is mirrored; there are 185,12,1,"),
    (("department", "215,15,1,0"), "215,15,1,0 is of another institution than 185"),
    (("faculty", "MAT"), "faculty wants its number, such as 15"),
    (("programme", "NONE"), "nothing of programme NONE is mirrored; there are BIO-B, FYS-B"),
    (("course", "NO9999"), "no course NO9999 is mirrored"),
    (("audience", "dean"), "rollout add audience wants student or teacher"),
    (("share", "1.5"), "a share is a number from 0 to 1"),
    (("share", "nan"), "a share is a number from 0 to 1"),
    (("group", "pilot"), "a group has one name, and --file with a username on each line"),
    (("course", "MAT1000", "--file", "LIST"), "a group has one name, and --file"),
    (("group", "pilot", "--file", "/nowhere/list"), "No such file or directory"),
    (("group", "x" * 65, "--file", "LIST"), "a group's name has 1 to 64 characters"),
    (("dean", "X"), "rollout wants person, course, faculty, department, programme, group, "),
]


class University:
    """Who is meant by what, as the university's own files tell it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.persons = self._items("personer")
        self.registered = {
            (self._number(item["id"]["person"]), item["id"]["undervisning"]["emne"]["kode"])
            for item in self._items("studentundervisning")
        }
        self.roles = {
            (self._number(item["person"]), self._code(item)) for item in self._items("personroller")
        }
        by_name = {person["brukernavn"]: person["personlopenummer"] for person in self.persons}
        self.named = {
            (by_name[staff["id"]], event["courseid"])
            for path in (directory / "tp").glob("*.json")
            for event in json.loads(path.read_text())["events"]
            for staff in event["staffs"]
            if staff["id"] in by_name
        }
        self.by_name = by_name

    def _items(self, name: str) -> list[dict[str, Any]]:
        text = (self.directory / "fs" / f"{name}.ndjson").read_text()
        return [json.loads(line) for line in text.splitlines()]

    @staticmethod
    def _number(person: dict[str, Any]) -> int:
        return int(person["personlopenummer"])

    @staticmethod
    def _code(role: dict[str, Any]) -> str:
        place = role.get("undervisning") or role["undervisningsaktivitet"]
        return str(place["href"].rpartition("/")[2].split(",")[1])

    def on(self, *prefixes: str) -> set[int]:
        """Return who takes or teaches a course whose code begins so."""
        pairs = self.registered | self.roles | self.named
        return {number for number, course in pairs if course.startswith(prefixes)}

    def employed(self, unit: str) -> set[int]:
        return {
            person["personlopenummer"]
            for person in self.persons
            if unit
            in ((person.get("fagperson") or {}).get("organisasjonsenhet") or {}).get("href", "")
        }

    def follows(self, programme: str) -> set[int]:
        return {
            self._number(item["id"]["person"])
            for item in self._items("studieretter")
            if item["studierettstatus"]["aktiv"]
            and item["id"]["studieprogram"]["kode"] == programme
        }

    def group(self) -> set[int]:
        names = (self.directory / "idm" / "pilot.txt").read_text().split()
        return {self.by_name[name] for name in names if name in self.by_name}

    def addresses(self, numbers: set[int]) -> set[str]:
        return {
            person["epost"][0]["adresse"]
            for person in self.persons
            if person["personlopenummer"] in numbers
        }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation that was read, and switched on for nobody; a worker is running."""
    directory = tmp_path_factory.mktemp("criteria")
    generate_with_fewer_events(directory / "served", students=20, keep=1, of=3)
    with start(directory / "served") as sandbox:
        url = f"sqlite:///{directory}/k.db"
        made = House(directory, directory / "served", sandbox, url, NOW, "epost:INSTITUSJON")
        text = made.config.read_text().replace("uio.example", "uni.example")
        text = text.replace("processes = 2", "processes = 1")  # enough for so few
        # a calendar whose write got a 503 is left alone for as long as Exchange may still work on it
        text = text.replace("[exchange.main]\n", "[exchange.main]\nserver_seconds = 3\n")
        made.config.write_text(
            text.replace('mode = "all"', 'mode = "listed"').replace("[fs]\n", READ)
        )
        made.run("db", "upgrade")
        made.run("resync", "--all")
        made.run("worker", "--until-idle")
        assert made.held() == {}
        with made.running("worker"):
            yield made
        made.assert_logs_are_clean()


@pytest.fixture(scope="module")
def university(house: House) -> University:
    return University(house.university)


def until(
    so: Callable[[], object], wanted: object, seconds: float = 120.0, *, every: float = 1.0
) -> None:
    """Wait until this is so, or fail with what is; it is asked anew after so many seconds."""
    end = monotonic() + seconds
    while (found := so()) != wanted:
        assert monotonic() < end, found
        pause(every)


def on_and_off(house: House, addresses: set[str] | None, *words: str) -> set[str]:
    """Switch on and wait for whose calendars are written; switch off, and wait until none is."""
    wanted = {address: entries for address, entries in house.wanted().items() if entries}
    counted = house.run("rollout", "add", *words, "--dry-run")
    house.run("rollout", "add", *words, "--yes")
    status = json.loads(house.run("rollout", "status", "--json"))
    inside = sum(row["inside"] for row in status["calendars"])
    assert counted.startswith(f"{inside} of ")
    if addresses is None:
        until(lambda: inside_and_right(house), (inside, inside))
        addresses = {*house.held()}
    expected = {address: wanted[address] for address in addresses if address in wanted}
    assert 0 < len(expected) < len(wanted)
    until(house.held, expected)
    off = (*words[:2], "--take-back")
    assert f"{inside} calendars would be switched off, of" in house.run(
        "rollout", "remove", *off, "--dry-run"
    )
    house.run("rollout", "remove", *off, "--yes")
    until(house.held, {})
    assert json.loads(house.run("rollout", "list", "--json")) == []
    return addresses


def inside_and_right(house: House) -> tuple[int, int]:
    rows = json.loads(house.run("rollout", "status", "--json"))["calendars"]
    return sum(row["inside"] for row in rows), sum(row["right"] for row in rows)


def test_by_person(house: House) -> None:
    on_and_off(house, {"st000003@uni.example"}, "person", "st000003")


def test_by_course(house: House, university: University) -> None:
    on_and_off(house, university.addresses(university.on("FYS1000")), "course", "fys1000")


def test_by_faculty_of_the_course_or_the_teacher(house: House, university: University) -> None:
    persons = university.on("HIS", "NOR") | university.employed("185,14,")
    assert university.employed("185,14,")
    on_and_off(house, university.addresses(persons), "faculty", "14")


def test_by_department_of_the_course_or_the_teacher(house: House, university: University) -> None:
    persons = university.on("KJM") | university.employed("185,15,3,")
    on_and_off(house, university.addresses(persons), "department", "150300")


def test_by_programme(house: House, university: University) -> None:
    on_and_off(house, university.addresses(university.follows("JUS-B")), "programme", "JUS-B")


def test_by_a_group_whose_list_names_some_who_are_not_known(
    house: House, university: University
) -> None:
    file = house.directory / "pilot.txt"
    names = (house.university / "idm" / "pilot.txt").read_text()
    file.write_text(f"nobody\n{names}nobody-2\n")
    code, said = fails(house, "rollout", "add", "group", "pilot", "--file", str(file), "--dry-run")
    last = len(names.split()) + 2
    assert (code, f"number 1 (nobody), {last} (nobody-2) of the list, 2 in all" in said) == (
        1,
        True,
    )
    file.write_text("".join(f"{name}\n" for name in names.split() if name in university.by_name))
    on_and_off(
        house, university.addresses(university.group()), "group", "pilot", "--file", str(file)
    )


def test_by_audience(house: House, university: University) -> None:
    persons = {number for number, _ in university.roles | university.named}
    on_and_off(house, university.addresses(persons), "audience", "teacher")


def test_by_share(house: House) -> None:
    less = on_and_off(house, None, "share", "0.2")
    more = house.run("rollout", "add", "share", "0.6", "--dry-run")
    assert len(less) < int(more.partition(" of ")[0])


def test_who_comes_to_a_department_is_switched_on_and_who_leaves_it_stays(
    house: House, university: University
) -> None:
    courses = {"BIO1000"}
    taken = {number for number, course in university.registered if course in courses}
    outside = next(
        number
        for number in sorted(number for number, _ in university.registered)
        if number not in university.on("BIO") | university.employed("185,15,4,")
    )
    house.run("rollout", "add", "department", "15,4", "--yes")
    item = next(
        item
        for item in house.collection("studentundervisning")
        if item["id"]["person"]["personlopenummer"] in taken
        and item["id"]["undervisning"]["emne"]["kode"] in courses
        and item["tilbudstatus"] == "I"
    )
    text = json.dumps(item).replace(str(item["id"]["person"]["personlopenummer"]), str(outside))
    (address,) = university.addresses({outside})
    house.put("studentundervisning", json.loads(text))
    house.run("resync", "--person", str(outside))
    until(lambda: bool(house.held().get(address)), True)
    house.drop("studentundervisning", json.loads(text))
    house.run("resync", "--person", str(outside))
    until(lambda: house.held().get(address), house.wanted().get(address))
    house.run("rollout", "remove", "department", "150400", "--take-back", "--yes")
    until(house.held, {})


# -- plans -------------------------------------------------------------------------------------------


EVERY = (
    ("person", "st000003"),
    ("course", "FYS1000"),
    ("faculty", "14"),
    ("department", "15,3"),
    ("programme", "JUS-B"),
    ("group", "pilot", "--file", "LIST"),
    ("audience", "teacher"),
    ("share", "0.2"),
)


def plans(house: House) -> dict[str, dict[str, Any]]:
    """Return the last plan of each kind."""
    told = json.loads(house.run("rollout", "status", "--json"))["plans"]
    return {plan["kind"]: plan for plan in told}


def of_kinds(house: House, kinds: Collection[str]) -> list[dict[str, Any]]:
    """Return the last plans of these kinds."""
    return [plan for kind, plan in plans(house).items() if kind in kinds]


def states(house: House) -> set[str]:
    return {plan["state"] for plan in plans(house).values()}


def run_to_the_end(house: House) -> None:
    """Resume what paused until all plans are done."""

    def are_done() -> bool:
        found = states(house)
        if "paused" in found:
            house.done("rollout", "resume", "--per-hour", "36000")
        return found == {"done"}

    until(are_done, True, every=2)


def test_plans_by_each_criterion_are_paced_stopped_by_a_fault_resumed_and_taken_back(
    house: House, university: University
) -> None:
    file = house.directory / "known.txt"
    names = (house.university / "idm" / "pilot.txt").read_text().split()
    file.write_text("".join(f"{name}\n" for name in names if name in university.by_name))
    persons = {
        *university.on("FYS1000", "HIS", "NOR", "KJM"),
        *university.employed("185,14,"),
        *university.employed("185,15,3,"),
        *university.follows("JUS-B"),
        *university.group(),
        *(number for number, _ in university.roles | university.named),
    }
    wanted = {address: entries for address, entries in house.wanted().items() if entries}
    slowly = ("--from", "2025-08-18", "--per-hour", "300", "--yes")
    for words in EVERY:
        given = [str(file) if word == "LIST" else word for word in words]
        assert "300 an hour" in house.run("rollout", "add", *given, *slowly)
    until(lambda: bool(house.held()) and "planned" not in states(house), True)
    house.send(
        "POST", "faults", {"neighbour": "exchange", "kind": "status", "status": 503, "times": -1}
    )
    large = [kind for kind, plan in plans(house).items() if plan["calendars"] > 1]
    assert len(large) > len(EVERY) / 2
    until(lambda: {plan["state"] for plan in of_kinds(house, large)}, {"paused"})
    stopped = of_kinds(house, large)
    assert all("exchange.main is paused" in plan["reason"] for plan in stopped)
    assert house.run("status").startswith("stuck")  # the Exchange; the plans are among the rest
    assert "of the roll-out is paused: exchange.main is paused" in house.run("status")
    assert all(plan["given"] for plan in stopped)
    assert sum(plan["given"] for plan in stopped) < sum(plan["calendars"] for plan in stopped)
    house.send("DELETE", "faults")
    house.run("resume", "exchange.main")
    until(
        lambda: bool(json.loads(house.run("status", "--json"))["verdict"]["state"] != "stuck"),
        True,
        every=3,
    )
    run_to_the_end(house)
    listed = {row["kind"] for row in json.loads(house.run("rollout", "list", "--json"))}
    assert listed == {kind for kind, *_ in EVERY}
    of_all = university.addresses(persons) | {"st000003@uni.example"}
    sure = {address: wanted[address] for address in of_all if address in wanted}
    until(lambda: {a: e for a, e in house.held().items() if a in sure}, sure)
    assert house.held().keys() - sure.keys() <= wanted.keys()  # the share's
    for kind, value, *_ in EVERY:
        house.run("rollout", "remove", kind, value, "--take-back", "--per-hour", "36000", "--yes")
    run_to_the_end(house)
    until(house.held, {})
    assert json.loads(house.run("rollout", "list", "--json")) == []


def test_a_mailbox_that_refuses_us_pauses_the_plan_that_let_it_in_and_status_says_so(
    house: House, university: University
) -> None:
    address = min(university.addresses(university.on("JUS1000")))
    name = address.partition("@")[0]
    house.send("PUT", f"exchange/mailbox?address={address}", {"state": "denied"})
    counted = house.run("rollout", "add", "course", "JUS1000", "--per-hour", "7200", "--dry-run")
    assert ", 7200 an hour: about 0.0 hours" in counted
    house.run("rollout", "add", "course", "JUS1000", "--per-hour", "7200", "--yes")
    until(lambda: plans(house)["course"]["state"], "paused")
    plan = plans(house)["course"]
    assert plan["troubles"] == {"parked": 1}
    assert plan["reason"] == "1 calendar laid aside (kalender parked)"
    told = json.loads(house.run("status", "--json"))
    conditions = [told["verdict"], *told["also"]]
    (condition,) = (each for each in conditions if each["condition"] == "rollout-paused")
    assert (condition["state"], condition["count"]) == ("held", 1)
    assert f"then kalender rollout resume {plan['plan']}" in condition["remedy"]
    assert "1 parked" in house.run("rollout", "status")
    house.send("PUT", f"exchange/mailbox?address={address}", {"state": "active"})
    house.run("retry", name)
    house.run("rollout", "resume", str(plan["plan"]), "--per-hour", "36000")
    until(lambda: plans(house)["course"]["state"], "done")
    until(lambda: house.held().get(address), house.wanted().get(address))
    house.run("rollout", "remove", "course", "JUS1000", "--take-back", "--yes")
    until(house.held, {})
    acts = [
        act
        for act in json.loads(house.run("log", "--acts", "--json"))
        if act["scope"] == "course JUS1000"
    ]
    assert [act["what"] for act in reversed(acts)] == [
        "rollout add plan",
        "rollout add",
        "rollout pause",
        "rollout resume",
        "rollout add",
        "rollout remove --take-back",
    ]


def test_the_opposite_ends_a_plan(house: House) -> None:
    house.run("rollout", "add", "audience", "student", "--per-hour", "60", "--yes")
    until(lambda: plans(house)["audience"]["given"], 1)
    number = plans(house)["audience"]["plan"]
    house.run("rollout", "pause", str(number), "--reason", "a holiday")
    assert (plans(house)["audience"]["state"], plans(house)["audience"]["reason"]) == (
        "paused",
        "a holiday",
    )
    for words, said in (
        (
            ("add", "audience", "student"),
            f"plan {number} does so: kalender rollout resume {number}",
        ),
        (
            ("remove", "audience", "student", "--leave", "--per-hour", "5"),
            "does the opposite: without --from and --per-hour this ends it",
        ),
    ):
        code, line = fails(house, "rollout", *words)
        assert (code, said in " ".join(line.split())) == (2, True), line
    off = house.run("rollout", "remove", "audience", "student", "--take-back", "--yes")
    assert "1 calendars switched off" in off
    assert plans(house)["audience"]["state"] == "ended"
    until(house.held, {})


def test_what_a_plan_cannot_be_is_one_line(house: House) -> None:
    file = house.directory / "few.txt"
    file.write_text("st000001\n")
    house.run("rollout", "add", "group", "few", "--file", str(file), "--yes")
    for words, said in (
        (("add", "course", "FYS1000", "JUS1000", "--per-hour", "5"), "a plan is about one value"),
        (("add", "share", "0.5", "--from", "soon"), "--from is given as 2026-01-12, or"),
        (("add", "share", "0.5", "--per-hour", "0"), "Invalid value for '--per-hour'"),
        (
            ("add", "group", "few", "--file", str(file), "--per-hour", "5"),
            "is switched on: without --from and --per-hour its list adds to it",
        ),
    ):
        code, line = fails(house, "rollout", *words)
        assert (code, said in " ".join(line.split())) == (2, True), line
    code, line = fails(house, "rollout", "pause", "999", "--reason", "none")
    assert (code, "no plan 999 is open: kalender rollout status lists them" in line) == (2, True)
    code, line = fails(house, "rollout", "resume")
    assert (code, line) == (2, "kalender: no plan is paused: kalender rollout status")
    house.run("rollout", "remove", "group", "few", "--take-back", "--yes")
    until(house.held, {})


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_cannot_be_is_one_line(house: House, words: tuple[str, ...], said: str) -> None:
    file = house.directory / "list.txt"
    file.write_text("st000001\n")
    given = [str(file) if word == "LIST" else word for word in words]
    code, line = fails(house, "rollout", "add", *given)
    assert (code, said in " ".join(line.split())) == (2, True), line


def test_nothing_of_it_was_listed(house: House) -> None:
    assert json.loads(house.run("rollout", "list", "--json")) == []


def test_what_is_not_read_is_said_with_the_setting(house: House) -> None:
    with_it = house.config.read_text()
    try:
        house.config.write_text(with_it.replace(READ, "[fs]\n"))
        house.run("resync", "--all")
        for kind, setting in (("faculty", "organisations"), ("programme", "programmes")):
            code, line = fails(house, "rollout", "add", kind, "15")
            text = f"no {kind} is mirrored: set [fs] {setting} = true, then kalender resync --all"
            assert (code, line) == (2, f"kalender: {text}")
    finally:
        house.config.write_text(with_it)
        house.run("resync", "--all")
