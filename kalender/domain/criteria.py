"""What a roll-out goes by: by which names a university says who is switched on.

`CRITERIA` names each with the source that tells who is meant. A faculty or department is given by
its number or code, and kept as the beginning of FS' organisation codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kalender.errors import ConfigError

PERSON, COURSE, FACULTY, DEPARTMENT = "person", "course", "faculty", "department"
PROGRAMME, GROUP, AUDIENCE, SHARE = "programme", "group", "audience", "share"
CODE_DIGITS = 6  # of faculty, department and group together, two each: 150500
FACULTY_PARTS, LONGEST_PARTS = 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One kind of name: how its values are given, and where it is told who is meant."""

    value: str
    source: str


CRITERIA: Mapping[str, Criterion] = {
    PERSON: Criterion(value="FS number, username or mail address", source="FS, TP"),
    COURSE: Criterion(
        value="a code, such as IN1000",
        source="who is registered in FS, or teaches by FS or TP",
    ),
    FACULTY: Criterion(
        value="its number, such as 15",
        source="FS' organisation code of the course (emner) or the teacher (personer)",
    ),
    DEPARTMENT: Criterion(value="faculty and number, such as 15,5 or 150500", source="likewise"),
    PROGRAMME: Criterion(value="a code", source="FS' active study rights (studieretter)"),
    GROUP: Criterion(
        value="a name of yours, with --file",
        source="a list of usernames, such as the identity management's export of a group",
    ),
    AUDIENCE: Criterion(value="student or teacher", source="roles in FS and TP"),
    SHARE: Criterion(value="0 to 1", source="of everybody, by their number alone"),
}

MIRRORED = (FACULTY, DEPARTMENT, PROGRAMME)
"""Those of which FS is asked only where the settings say so."""


def organisation(kind: str, text: str, institution: int) -> str:
    """Return the beginning of the organisation codes of a faculty or department, as `185,15,5`.

    `text` is written as in FS (`185,15,5,0`), without the institution (`15,5`), or as six digits
    (`150500`). ConfigError says what is wrong with it.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) == 1 and len(words[0]) == CODE_DIGITS:
        words = [words[0][at : at + 2] for at in range(0, CODE_DIGITS, 2)]
    if not all(word.isdecimal() for word in words) or len(words) > LONGEST_PARTS:
        raise ConfigError(f"{kind} wants {CRITERIA[kind].value}")
    numbers = [int(word) for word in words]
    if len(numbers) == LONGEST_PARTS and numbers.pop(0) != institution:
        raise ConfigError(f"{text} is of another institution than {institution}")
    while numbers and numbers[-1] == 0:  # all of it
        numbers.pop()
    is_faculty = len(numbers) < FACULTY_PARTS
    if not numbers:
        raise ConfigError(f"{kind} wants {CRITERIA[kind].value}")
    if is_faculty is not (kind == FACULTY):
        other = DEPARTMENT if kind == FACULTY else FACULTY
        raise ConfigError(f"{text} is a {other}: rollout add {other} {text}")
    return ",".join(map(str, (institution, *numbers)))
