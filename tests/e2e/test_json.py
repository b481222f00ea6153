"""Every command there is: run well, its JSON as the schema has it, and its errors in words."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from kalender.cli import load_all
from kalender.sandbox.generate import generate
from kalender.store.database import Database
from kalender.store.sql import db_now
from kalender.store.tables import dirty
from tests import schemas
from tests.e2e.conftest import NOW
from tests.e2e.house import House, fails
from tests.served import start

pytestmark = pytest.mark.e2e
HERE = Path(__file__).parent
CLI = HERE.parents[1] / "kalender" / "cli"
Words = tuple[str, ...]
LEAST = 9  # characters: what is shorter stands in too much
KNOWN, PROTECTED = "st000003", "st000005"
NIGHT = ["--up-to", "9", "--reason", "deadline"]
Row = tuple[list[str], int, str]

# What cannot be done, on an installation in some state; beside what other tests show.
WITHOUT_TABLES_OR_BROKER: list[Row] = [
    (["brake", "set", "--reason", "moved"], 2, "run kalender db upgrade"),
    (["brake", "show"], 2, "run kalender db upgrade"),
    (["optout", "list"], 2, "run kalender db upgrade"),
    (["language", "list"], 2, "run kalender db upgrade"),
    (["parked"], 2, "run kalender db upgrade"),
    (["protect", "list"], 2, "run kalender db upgrade"),
    (["rollout", "list"], 2, "run kalender db upgrade"),
    (["rollout", "status"], 2, "run kalender db upgrade"),
    (["demo", "--people", "5"], 2, "Invalid value for '--people'"),
    (["sandbox"], 2, "give --university DIR (with its university.json) or --generate N"),
    (["publish", "q", "{}"], 2, "[broker] is missing: give url and queues"),
]
AWAY: list[Row] = [
    (["db", "current"], 1, "the database is away"),
    (["db", "upgrade"], 1, "the database is away"),
    (["tap"], 1, "the broker does not answer"),
]
FILLED: list[Row] = [
    (
        ["brake", "expect", "--from", "soon", "--until", "soon", *NIGHT],
        2,
        "--from wants an instant",
    ),
    (["brake", "expect", "--from", "2025-08-18", "--until", "x", *NIGHT], 2, "wants an offset"),
    (["brake", "release", "course", "NO1000", "25h", "--reason", "x"], 2, "no such brake holds"),
    (["brake", "set"], 2, "Missing option '--reason'"),
    (["optout", "add", "nobody"], 1, "nobody is known by that: number 1 (nobody) of the list"),
    (["optout", "remove", "nobody"], 1, "nobody is known by that"),
    (
        ["pause", "exchange.other", "--reason", "x"],
        2,
        "nothing of that name: exchange.main, fs, tp",
    ),
    (["pause", "tp", "--for", "1h", "--until", "x", "--reason", "x"], 2, "give --until or --for"),
    (["resume", "tp"], 2, "tp is not paused by hand"),
    (["plan", "nobody"], 1, "nobody is known by that"),
    (["show"], 2, "show wants a person, or --course"),
    (["show", KNOWN, "--week", "--on", "soon"], 2, "--on is given as 2025-09-01"),
    (["show", PROTECTED], 1, "is protected: --reveal shows them, and is logged"),
    (["show", "--course", "NO1000"], 1, "no such course is mirrored"),
    (["recover", "--since", "yesterday"], 2, "--since wants an instant such as"),
    (["retry"], 2, "retry wants persons, or --all"),
    (["resync", "--all", "X"], 2, "more names are courses after --course, or persons after"),
    (["verify"], 2, "verify wants persons, or --all"),
    (["rollout", "add", "share", "2"], 2, "a share is a number from 0 to 1"),
    (["rollout", "add", "audience", "dean"], 2, "rollout add audience wants student or teacher"),
    (["rollout", "add", "dean", "X"], 2, "rollout wants person, course, faculty, department,"),
    (["rollout", "remove", "course", "X"], 2, "leaving the roll-out wants --take-back or --leave"),
    (["publish", "nobodys", "{}"], 2, "no queue is bound to this exchange"),
    (["publish", "k", "{}", "--exchange", "nobodys"], 2, "there is no such exchange"),
    (["tap", "nobodys"], 2, "there is no queue nobodys"),
    (["why", KNOWN, "IN1000", "--lang", "se"], 2, "--lang wants en, nb or nn"),
    (["why", KNOWN, "IN1000", "tomorrow"], 2, "the day is given as 2025-09-01"),
]
ERRORS = {"bare": WITHOUT_TABLES_OR_BROKER, "away": AWAY, "filled": FILLED}


# -- what commands there are, and what the tests run --------------------------------------------------


def commands(group: Any, *path: str) -> Iterator[tuple[Words, set[str]]]:
    """Walk the application: each command's words, and its options."""
    inner = getattr(group, "commands", None)
    if inner is None:
        yield path, {option for each in group.params for option in each.opts}
    for name, each in (inner or {}).items():
        yield from commands(each, *path, name)


COMMANDS = dict(pair for name, each in load_all().items() for pair in commands(each, name))
TREES = [ast.parse(path.read_text("utf-8")) for path in sorted(HERE.rglob("*.py"))]


def strings(nodes: Sequence[ast.AST]) -> Words:
    """Return the literal texts among these."""
    return tuple(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))


def nodes(trees: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)


def runs() -> Iterator[tuple[Words, bool]]:
    """Return the words of each command line in the tests, and whether it is to go well."""
    for node in nodes(TREES):
        match node:
            case ast.Call(func=ast.Attribute(attr="run" | "running") | ast.Name(id="run")):
                yield strings(node.args), not any(each.arg == "expect" for each in node.keywords)
            case ast.Call(func=ast.Name(id="fails")):
                yield strings(node.args), False
            case ast.Tuple(elts=[ast.List(elts=words), ast.Constant(value=1 | 2), *_]):
                yield strings(words), False
            case ast.List(elts=words) if "kalender" in (line := strings(words)):
                yield line[line.index("kalender") + 1 :], True


def ran(*, well: bool) -> set[Words]:
    """Return the commands that some test runs to a good end, or to an error."""
    lines = [words for words, good in runs() if good is well]
    return {each for each in COMMANDS if any(words[: len(each)] == each for words in lines)}


def messages() -> Iterator[tuple[str, Words]]:
    """Return the literal parts of what each command says when it refuses, and where it stands."""
    for path in sorted(CLI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name(), args=[message, *_])):
                    yield f"{path.name}:{node.lineno}", strings([*ast.walk(message)])
                case _:
                    pass


def test_every_command_with_json_has_a_schema_and_every_schema_a_command() -> None:
    told = {"-".join(words) for words, options in COMMANDS.items() if "--json" in options}
    assert {path.stem for path in schemas.SCHEMAS.glob("*.json")} == told


def test_a_key_that_a_schema_does_not_name_is_refused_by_it() -> None:
    for path in schemas.SCHEMAS.glob("*.json"):
        for each in objects(schemas.validator(path.stem).schema):
            assert each["additionalProperties"] is False, path.name
            assert set(each["required"]) <= set(each["properties"]), path.name
    with pytest.raises(AssertionError, match="unforeseen"):
        schemas.hold(
            ["rollout", "list"],
            '[{"kind": "share", "value": "1", "number": null, "username": null, "unforeseen": 1}]',
        )


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Return all schemas in a schema that name properties."""
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield schema
    inner = schema.values() if isinstance(schema, dict) else schema
    for each in inner if isinstance(schema, dict | list) else ():
        yield from objects(each)


def test_every_command_is_run_well_and_to_an_error_by_some_test() -> None:
    assert set(COMMANDS) - ran(well=True) == set()
    assert set(COMMANDS) - ran(well=False) == set()


def test_every_command_with_json_is_run_with_it_by_some_test() -> None:
    lines = [words for words, _ in runs() if "--json" in words]
    for each, options in COMMANDS.items():
        if "--json" in options:
            assert any(words[: len(each)] == each for words in lines), each


def test_every_error_of_a_command_is_shown_by_its_words() -> None:
    shown = {text.removeprefix("kalender: ") for text in strings([*nodes(TREES)])}
    shown = {text for text in shown if len(text) > LEAST}
    for where, parts in messages():
        long = [part for part in parts if len(part) > LEAST]
        assert any(text in part or part in text for text in shown for part in long), where


# -- errors -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory, amqp_url: str) -> Iterator[dict[str, House]]:
    """An installation in each state."""
    directory = tmp_path_factory.mktemp("houses")
    generate(directory / "served", students=20)
    nowhere = "postgresql+psycopg://postgres@127.0.0.1:1/nowhere"
    brokers = {"bare": None, "away": "amqp://guest:guest@127.0.0.1:1/%2F", "filled": amqp_url}
    with start(directory / "served") as sandbox:
        made = {}
        for name, url in brokers.items():
            (own := directory / name).mkdir()
            database = nowhere if name == "away" else f"sqlite:///{own}/k.db"
            broker = f'[broker]\nurl = "{url}"\nqueues = ["q"]\n' if url else ""
            made[name] = House(own, own, sandbox, database, NOW, "epost:INSTITUSJON", broker)
            text = made[name].config.read_text().replace("uio.example", "uni.example")
            made[name].config.write_text(text)
        made["filled"].run("db", "upgrade")
        made["filled"].run("resync", "--all")
        made["filled"].run("protect", "add", PROTECTED)
        yield made


@pytest.mark.integration
@pytest.mark.parametrize(
    ("state", "words", "code", "said"),
    [(state, *row) for state, rows in ERRORS.items() for row in rows],
)
def test_what_a_command_cannot_do_is_told_by_code_and_words(
    houses: dict[str, House], state: str, words: list[str], code: int, said: str
) -> None:
    found, told = fails(houses[state], *words)
    assert (found, said in told) == (code, True), told


@pytest.mark.parametrize(
    ("command", "library", "said"),
    [
        ("sandbox", "aiohttp", "the sandbox needs kalender[sandbox] installed"),
        ("demo", "aiohttp", "the demonstration needs kalender[sandbox] installed"),
        (
            "web",
            "starlette",
            "the web server is not installed: install the package as kalender[web]",
        ),
    ],
)
def test_what_a_command_needs_is_said_where_it_is_not_installed(
    command: str, library: str, said: str
) -> None:
    without = f"import sys; sys.modules['{library}'] = None; from kalender.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, f"kalender: {said}\n")


# -- the other database -------------------------------------------------------------------------------


@pytest.mark.integration
def test_on_postgresql_a_listing_has_the_same_form(house: House, migrated_postgresql: str) -> None:
    """SQLite's are held to their schemas by every test that runs a command."""
    text = house.config.read_text().replace(house.database, migrated_postgresql)
    house.config.write_text(text)
    house.run("resync", "--all", "--json")
    house.run("worker", "--until-idle")
    (unit, *_) = json.loads(house.run("show", KNOWN, "--json"))["registrations"]
    for words in WISHES:
        house.run(*words)
    lay_aside(migrated_postgresql)
    course = unit["course"]
    for words in (*LISTINGS, ("show", "--course", course), ("why", KNOWN, course)):
        assert json.loads(house.run(*words, "--json")), words


WISHES: list[Words] = [
    ("rollout", "add", "person", KNOWN),
    ("brake", "set", "--reason", "moved"),
    ("pause", "tp", "--for", "1h", "--reason", "moved"),
    ("optout", "add", "st000004"),
    ("language", "set", "en", "st000004"),
    ("protect", "add", PROTECTED),
    ("retry", KNOWN),
]
LISTINGS: list[Words] = [
    ("status",),
    ("parked",),
    ("term",),
    ("brake", "show"),
    ("rollout", "list"),
    ("rollout", "status"),
    ("optout", "list"),
    ("language", "list"),
    ("protect", "list", "--reveal"),
    ("db", "upgrade"),
    ("show", KNOWN),
    ("show", KNOWN, "--export"),
    ("plan", "st000004"),
]


def lay_aside(url: str) -> None:
    """All that waits is parked."""
    database = Database(url)
    with database.write() as connection:
        connection.execute(update(dirty).values(parked_at=db_now(), last_error="no mailbox"))
    database.close()
