"""What a made-up university teaches: its courses, who teaches them and who attends."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from random import Random

DOMAIN = "uni.example"
NOW, NEXT = ("25h", 2025, "HØST"), ("26v", 2026, "VÅR")
# The first letters of courses: (faculty, department) that is responsible for them.
DEPARTMENTS = {
    "MAT": (15, 1),
    "FYS": (15, 2),
    "KJM": (15, 3),
    "BIO": (15, 4),
    "HIS": (14, 1),
    "JUS": (12, 1),
    "PSY": (17, 1),
    "NOR": (14, 2),
}
_PREFIXES = tuple(DEPARTMENTS)
_STUDENTS_A_COURSE = 27000 / 580
METHODS = {
    "FOR": ("Forelesninger", "1"),
    "GR": ("Gruppe", "2"),
    "LAB": ("Laboratorium", "3"),
    "KOL": ("Kollokvium", "4"),
}


@dataclass(frozen=True, slots=True)
class Teacher:
    """Who teaches; FS has no number for some."""

    username: str
    number: int | None


@dataclass(slots=True)
class Activity:
    """Lectures, or a group, with its sessions of the week as weekday and hour."""

    code: str
    actid: str
    method: str
    party: str | None
    teacher: Teacher
    sessions: list[tuple[int, int]]
    placed: bool = True

    @property
    def department(self) -> tuple[int, int]:
        """Return the faculty and the department that are responsible for its course."""
        return DEPARTMENTS[self.code[:3]]

    @property
    def plenary(self) -> bool:
        """Tell whether it is for everybody on the course."""
        return self.party is None

    @property
    def name(self) -> str:
        """Return what TP and FS call it."""
        name = METHODS[self.method][0]
        return name if self.party is None else f"{name} {self.party}"

    def aid(self, semester: str) -> str:
        """Return the key that TP gives it."""
        return f"{semester.upper()}-{self.code}-1-1-{self.actid}"


@dataclass(slots=True)
class Course:
    """A course and its activities; `twin` names the course it is taught together with."""

    code: str
    activities: list[Activity]
    twin: str | None = None
    merged: bool = False
    groups: list[Activity] = field(default_factory=list)


def courses(dice: Random, students: int) -> list[Course]:
    """Make the courses of a term for so many students."""
    number = max(8, round(students / _STUDENTS_A_COURSE))
    pool = [Teacher(f"te{n:06}", 500000 + n) for n in range(1, number * 2)]
    made = [_course(dice, n, pool) for n in range(number)]
    for course, teacher in zip(made[3:], _unusual(students), strict=False):
        course.activities[-1].teacher = teacher
    for first, second in zip(made[0::24], made[1::24], strict=False):
        second.twin = first.code
        second.activities = [replace(a, code=second.code) for a in first.activities]
    for course in made:
        course.groups = [a for a in course.activities if a.placed and not a.plenary]
    for course in made[2::24]:
        course.merged = len(course.groups) > 1
    return made


def _unusual(students: int) -> Iterator[Teacher]:
    """Give students who teach, under the same account or another, and teachers unknown to FS."""
    for n in range(1, students + 1, 200):
        yield Teacher(f"st{n:06}", 100000 + n)
        yield Teacher(f"tp{n:06}", None)
        yield Teacher(f"x{n:06}", 100000 + n)


def _course(dice: Random, n: int, pool: list[Teacher]) -> Course:
    code = f"{_PREFIXES[n % 8]}{1000 + 10 * (n // 8)}"
    twice = 2 if lucky(dice, 40) else 1
    course = Course(code, [_planned(dice, code, "FOR", None, pool, twice)])
    if lucky(dice, 65) or n in {0, 2}:
        method = dice.choice(["GR", "GR", "LAB"])
        for party in range(1, dice.choice([2, 3, 3, 4]) + 1):
            course.activities.append(_planned(dice, code, method, str(party), pool))
    elif lucky(dice, 10):
        course.activities.append(_planned(dice, code, "KOL", "1", pool))
        course.activities[-1].placed = False
    return course


def _planned(
    dice: Random, code: str, method: str, party: str | None, pool: list[Teacher], times: int = 1
) -> Activity:
    number = METHODS[method][1]
    actid = number if party is None else f"{number}-{party}"
    sessions = [(dice.randrange(1, 6), dice.randrange(8, 17)) for _ in range(times)]
    return Activity(code, actid, method, party, dice.choice(pool), sessions)


Row = tuple[int, str, tuple[str, int, str], str]


def registered(dice: Random, people: list[int], courses: list[Course]) -> list[Row]:
    """Register each person, by number, on some courses; the first are the most wanted."""
    weights = list(accumulate((rank + 3) ** -0.6 for rank in range(len(courses))))
    codes = [course.code for course in courses]
    rows: list[Row] = []
    for person in people:
        wanted = dice.choices((1, 2, 3, 4, 5), (5, 15, 53, 21, 6))[0]
        chosen = dict.fromkeys(dice.choices(codes, cum_weights=weights, k=wanted + 1))
        for code in list(chosen)[:wanted]:
            status = dice.choices("ISV", (93, 3, 4))[0]
            rows.append((person, code, NOW, status))
        if lucky(dice, 1):
            rows.append((person, codes[0], NEXT, "I"))
    return sorted(rows, key=lambda row: (row[2], row[1], row[0]))


def lucky(dice: Random, percent: int) -> bool:
    """Throw the dice."""
    return dice.randrange(100) < percent
