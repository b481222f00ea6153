"""TP's codes: kinds of teaching, semesters, and patterns of what is not teaching for students.

Another timetable system has codes of its own. Its adapter translates them to what the mirror
keeps: `Semester.code`, which has TP's form, and a kind of teaching.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from kalender.domain.model import Semester

# The codes of `teaching-method` in UiO's answers of autumn 2025, each in Bokmål, Nynorsk, English.
KINDS: Mapping[str, tuple[str, str, str]] = {
    "FOR": ("Forelesning", "Førelesing", "Lecture"),
    "ØVE": ("Øvelse", "Øving", "Exercise class"),
    "ØV": ("Øvelse", "Øving", "Exercise class"),
    "ØV-F": ("Fellesøvelse", "Fellesøving", "Plenary exercise class"),
    "GR": ("Gruppe", "Gruppe", "Group"),
    "GR-DATA": ("Datagruppe", "Datagruppe", "Computer group"),
    "LAB": ("Lab", "Lab", "Lab"),
    "KOL": ("Kollokvium", "Kollokvium", "Colloquium"),
    "SEM": ("Seminar", "Seminar", "Seminar"),
    "SEMFOR": ("Forelesning og seminar", "Førelesing og seminar", "Lecture and seminar"),
    "OBLOPPG": ("Obligatorisk oppgave", "Obligatorisk oppgåve", "Compulsory assignment"),
    "ORIENT": ("Orienteringsmøte", "Orienteringsmøte", "Information meeting"),
}


def semester_of(code: str) -> Semester | None:
    """Return the semester of a code such as `25h`; None for a term of another kind."""
    try:
        return Semester.parse(code)
    except ValueError:
        return None


def skips(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that says whether teaching of a course's code is none of ours."""
    return lambda code: is_matched(code, patterns)


def is_matched(code: str, patterns: Iterable[str]) -> bool:
    """Whether a code fits one of these patterns, such as `*EKSAMEN*`, in any case of letters."""
    return any(fnmatchcase(code.upper(), pattern.upper()) for pattern in patterns)
