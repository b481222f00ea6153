"""Measure how readable the package is: `python -m bench.house` prints a table.

Every figure is counted by `ast` over `kalender/` but "files entered", for which one calendar with
one create is really reconciled, by the real adapter, on the sandbox's Exchange. The names of
modules that write ahead are found by searching; `--protocol` gives others.
"""

import argparse
import ast
import os
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests import commands
from tests.drills.town import courses, town
from tests.e2e.house import House

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kalender"
APART = ("sandbox", "demo")  # measured apart: they are no part of the product
SHORT = 5  # lines of a function, from its `def` to its end
# Participles without their noun, then pronouns and adjectives that stand for one.
BARE_WORDS = """
added asked based begun bound broken called changed checked chosen claimed closed coming
counted cut deleted done drawn due ended expected failed felt filled found given gone had
handled held hidden kept known left listed looked lost made marked meant missed moved named
needed noted opened owed parsed paused planned put read recorded refused rejected released
removed said saved seen selected sent served shared shown skipped sorted spared spent stored
taken taught tell thought told touched tried undone unsaid untold used waited waiting wanted
withdrawn worked written

all another any anybody both each either every everybody everything few former he her him his
it its last latter me mine more most neither next nobody none nothing old one ones other
others ours own rest same several she some somebody something such that theirs them these
they this those us we what which who whom whose you yours
"""
BARE = frozenset(BARE_WORDS.split())
EMPTY = frozenset(["data", "info", "item", "items", "object", "stuff", "thing", "things"])


@dataclass(frozen=True, slots=True)
class Function:
    """One function or method: its module, its name, how many lines it has."""

    module: str
    name: str
    lines: int

    @property
    def private(self) -> bool:
        """Whether its name begins with one underscore."""
        return self.name.startswith("_") and not self.name.startswith("__")


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package, and its syntax."""

    name: str
    text: str
    tree: ast.Module


def modules(package: Path, *, apart: Sequence[str] = ()) -> list[Module]:
    """Read all modules of a package but those in the top-level folders that are named."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if inside.parts[0] not in apart:
            text = path.read_text("utf-8")
            found.append(Module(inside.as_posix(), text, ast.parse(text)))
    return found


# -- lines -----------------------------------------------------------------------------------------


def code_lines(module: Module) -> int:
    """Count the lines that are neither blank, comment nor docstring."""
    prose: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if ast.get_docstring(node, clean=False) is not None and first is not None:
                prose |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = enumerate(module.text.splitlines(), 1)
    return sum(
        1
        for n, line in lines
        if n not in prose and line.strip() and not line.lstrip().startswith("#")
    )


# -- functions -------------------------------------------------------------------------------------


def functions(package: Iterable[Module]) -> list[Function]:
    """Return every function and method, nested ones too."""
    return [
        Function(module.name, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for module in package
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def references(tree: ast.AST) -> Counter[str]:
    """Count how often each name is used: as a name that is read, or as an attribute."""
    counts: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            counts[node.id] += 1
        elif isinstance(node, ast.Attribute):
            counts[node.attr] += 1
    return counts


def private_used_once(package: Sequence[Module]) -> list[Function]:
    """Return the private functions that their module refers to exactly once."""
    uses = {module.name: references(module.tree) for module in package}
    return [f for f in functions(package) if f.private and uses[f.module][f.name] == 1]


def short_with_one_caller(package: Sequence[Module]) -> list[Function]:
    """Return the functions of five lines or fewer, private or not, that are referred to once.

    A private name is sought in its module, a public one in the whole package. Where two functions
    bear one public name it is not known whose the reference is: neither counts.
    """
    uses = {module.name: references(module.tree) for module in package}
    everywhere: Counter[str] = sum(uses.values(), Counter())
    known = functions(package)
    bearers = Counter(f.name for f in known)
    return [
        f
        for f in known
        if f.lines <= SHORT
        and not f.name.startswith("__")
        and (
            uses[f.module][f.name] == 1
            if f.private
            else bearers[f.name] == 1 and everywhere[f.name] == 1
        )
    ]


# -- names -----------------------------------------------------------------------------------------


def bindings(package: Iterable[Module]) -> Iterator[str]:
    """Give every name that is bound: assigned, looped over, kept by `as`, or a parameter."""
    for module in package:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.arg) and node.arg not in ("self", "cls"):
                yield node.arg
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                yield node.name


def is_bare(name: str, words: frozenset[str]) -> bool:
    """Whether a name is one of the words and nothing else."""
    return name.strip("_") in words


# -- callbacks -------------------------------------------------------------------------------------


def callbacks(tree: ast.AST) -> int:
    """Count lambdas, and functions inside functions, that are passed in a call."""
    count = 0
    for outer in ast.walk(tree):
        if isinstance(outer, ast.Call):
            values = [*outer.args, *(keyword.value for keyword in outer.keywords)]
            count += sum(isinstance(value, ast.Lambda) for value in values)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = {n.name for n in ast.walk(outer) if isinstance(n, ast.FunctionDef)} - {
                outer.name
            }
            count += sum(
                isinstance(value, ast.Name) and value.id in inside
                for call in ast.walk(outer)
                if isinstance(call, ast.Call)
                for value in [*call.args, *(keyword.value for keyword in call.keywords)]
            )
    return count


def protocol(package: Iterable[Module]) -> list[str]:
    """Return the modules that name `write_ahead`, `visit.send` or `visit.record`."""
    wanted = ("write_ahead", "visit.send(", "visit.record(")
    return [module.name for module in package if any(word in module.text for word in wanted)]


# -- layers and files entered ------------------------------------------------------------------------


def layers(project: Path) -> int:
    """Count the layers of the first import contract that has any."""
    settings = tomllib.loads(project.read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return len(next(c["layers"] for c in contracts if c["type"] == "layers"))


PROFILE = """
import sys, threading, os

ROOT, OUT = {root!r}, {out!r}

class Visit(threading.local):
    depth, files = 0, frozenset()

visit = Visit()

def note(frame, event, _):
    module = frame.f_globals.get("__name__") or ""
    if not module.startswith("kalender.") or event not in ("call", "return"):
        return
    name = frame.f_code.co_name
    if name == ROOT and event == "call":
        visit.depth += 1
    if visit.depth and name != "<module>":
        visit.files |= {{frame.f_globals.get("__file__")}}
    if name == ROOT and event == "return":
        visit.depth -= 1
        if not visit.depth:
            with open(OUT, "a") as file:
                file.write("|".join(sorted(visit.files)) + "\\n")
            visit.files = frozenset()

threading.setprofile(note)
sys.setprofile(note)
"""


def files_entered(root: str) -> set[str]:
    """Return the files entered by a visit of one calendar that gets one more entry.

    The real worker makes the visit, by the real adapter on the sandbox; `root` is the name of the
    function in which a visit begins and ends. Of the visits of all who got the entry, the one that
    entered most files counts. A file counts where one of its functions was called, or a method that
    `dataclass` made for one of its classes.
    """
    with town(students=5) as house, tempfile.TemporaryDirectory() as name:
        out = Path(name) / "visits"
        profile = PROFILE.format(root=root, out=str(out))
        (Path(name) / "sitecustomize.py").write_text(profile, "utf-8")
        course = _taught(house)
        whole = house.get(f"tp/{course}")
        house.change_course(course, lambda answer: answer["events"].pop())
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        house.change_course(course, lambda answer: answer.update(whole))
        house.run("resync", "--all")
        words = ["worker", "--until-idle", "--processes", "1", "--connections", "1"]
        path = f"{name}:{ROOT}"
        done = commands.from_nothing(
            house.command(*words), env={**os.environ, "PYTHONPATH": path}, timeout=300
        )
        if done.returncode or house.differences():
            raise RuntimeError(done.stderr[-3000:])
        visits = [set(line.split("|")) for line in out.read_text("utf-8").splitlines()]
        return {str(Path(file).relative_to(PACKAGE)) for file in max(visits, key=len)}


def _taught(house: House) -> str:
    """Return a course whose last event is in somebody's calendar."""
    held = {entry.start for entries in house.held().values() for entry in entries}
    return next(
        course
        for course in courses(house)
        if (events := house.get(f"tp/{course}")["events"])
        and datetime.fromisoformat(events[-1]["dtstart"]).astimezone(UTC) in held
    )


# -- the table ---------------------------------------------------------------------------------------


def table(package: Sequence[Module], write_ahead: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give the figures that syntax alone shows: what is counted, and how many."""
    sizes = {module.name: len(module.text.splitlines()) for module in package}
    longest = max(sizes, key=lambda name: sizes[name])
    all_functions, once = functions(package), private_used_once(package)
    names = list(bindings(package))
    bare, empty = (sum(is_bare(name, words) for name in names) for words in (BARE, EMPTY))
    inside = [module for module in package if module.name in write_ahead]
    yield "lines of code", f"{sum(map(code_lines, package))}"
    yield "longest module, lines", f"{sizes[longest]} ({longest})"
    yield "functions", f"{len(all_functions)}"
    yield "private functions used once", f"{len(once)} ({len(once) / len(all_functions):.1%})"
    yield "of these at most five lines", f"{sum(f.lines <= SHORT for f in once)}"
    yield "one caller and at most five lines", f"{len(short_with_one_caller(package))}"
    yield "names bound", f"{len(names)}"
    yield "bare participles and pronouns", f"{bare} ({bare / len(names):.1%})"
    yield "and empty nouns", f"{bare + empty} ({(bare + empty) / len(names):.1%})"
    yield "callbacks in the write protocol", f"{sum(callbacks(m.tree) for m in inside)}"


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.house")
    parser.add_argument("--protocol", nargs="*", help="modules; else found by `write_ahead`")
    parser.add_argument("--root", default="reconcile", help="the function that is one visit")
    parser.add_argument("--syntax-only", action="store_true", help="make no visit")
    given = parser.parse_args()
    product, everything = modules(PACKAGE, apart=APART), modules(PACKAGE)
    write_ahead = given.protocol or protocol(product)
    print(f"{'':36}{'product':>28}{'with sandbox and demo':>28}")
    beside = table(everything, write_ahead)
    for (name, value), (_, other) in zip(table(product, write_ahead), beside, strict=True):
        print(f"{name:36}{value:>28}{other:>28}")
    print(f"{'layers of imports':36}{layers(ROOT / 'pyproject.toml'):>28}")
    print(f"the write protocol: {' '.join(write_ahead)}")
    if not given.syntax_only:
        files = files_entered(given.root)
        print(f"{'files entered by one visit':36}{len(files):>28}")
        print("  " + "\n  ".join(sorted(files)))


if __name__ == "__main__":
    main()
