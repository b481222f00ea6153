"""`kalender why`: what must be so for teaching to be in a calendar, and what is not, in plain words."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

import typer

from kalender.cli.base import (
    Json,
    Person,
    app,
    application,
    day_of,
    lines,
    opened,
    say_json,
    wrapped,
)
from kalender.cli.protect import Reveal
from kalender.cli.show import looked_at
from kalender.domain.moment import said
from kalender.errors import ConfigError
from kalender.store import courses
from kalender.why import Check, Question, checklist, first_failing

Words = Mapping[str, tuple[str, str, str]]  # so, not so, who can mend it

ENGLISH: Final[Words] = {
    "known": (
        "FS knows the person (number {number}).",
        "FS does not know the person.",
        "the student administration registers them in FS",
    ),
    "registered": (
        "On the course as {role}.",
        "Neither registered for the course nor named as its teacher, this term or the next.",
        "the student registers in Studentweb; teachers are named by whoever plans the course in TP",
    ),
    "status": (
        "The registration counts (status of the offer: {status}).",
        "The registration does not count yet (status of the offer: {status}).",
        "the student administration: a place on the course is offered and accepted in FS",
    ),
    "published": (
        "The timetable is published (TP asked last {asked_at}).",
        "The timetable of the term is not published (TP asked last {asked_at}).",
        "whoever plans the course publishes it in TP",
    ),
    "placed": (
        "The teaching is for this person (groups: {groups}).",
        "The teaching is for groups in which the person has no place (groups: {groups}).",
        "the student administration, or the student in Studentweb, chooses a group",
    ),
    "event": (
        "TP has the teaching ({events}; of these cancelled: {cancelled}).",
        "TP has no such teaching (uncertain: {unsure}).",
        "whoever plans the course enters it in TP",
    ),
    "window": (
        "It is to come, and near enough.",
        "It is over, or further ahead than what is written.",
        "nobody needs to: it comes when it is near, and what is over is not written",
    ),
    "mailbox": (
        "The person has a mailbox that can be written to.",
        "There is no mailbox to write to ({state}).",
        "those who run mailboxes and addresses",
    ),
    "rollout": (
        "The person is switched on.",
        "The person is not switched on yet.",
        "Kalender's operator: kalender rollout add",
    ),
    "wish": (
        "Nobody wished to be left alone.",
        "The person is left alone ({wishes}).",
        "the person themselves; Kalender's operator takes the wish back",
    ),
    "held": ("Nothing is held back.", "Held back by the brake: {brake}.", "Kalender's operator"),
    "pending": (
        "Nothing is still to be done.",
        "Work is still to be done ({reason}), not before {not_before}. {error}",
        "nobody needs to, unless it is laid aside: kalender parked",
    ),
    "written": (
        "It was written {written_at} (because of: {reason}).",
        "It was not written ({entries} written, {refused} refused by Exchange).",
        "Kalender's operator: kalender resync --person",
    ),
    "restored": (
        "Put back {times} times.",
        "The person changed or deleted it so often ({times} times) that it is left so.",
        "the person themselves: it comes back when the teaching changes",
    ),
}

BOKMAL: Final[Words] = {
    "known": (
        "FS kjenner personen (nummer {number}).",
        "FS kjenner ikke personen.",
        "studieadministrasjonen registrerer personen i FS",
    ),
    "registered": (
        "Er på emnet som {role}.",
        "Verken registrert på emnet eller satt opp som underviser, dette semesteret eller neste.",
        "studenten melder seg i Studentweb; undervisere settes opp i TP av den som planlegger emnet",
    ),
    "status": (
        "Registreringen teller (tilbudstatus: {status}).",
        "Registreringen teller ikke ennå (tilbudstatus: {status}).",
        "studieadministrasjonen: plass på emnet må være tilbudt og akseptert i FS",
    ),
    "published": (
        "Timeplanen er publisert (TP sist spurt {asked_at}).",
        "Semesterets timeplan er ikke publisert (TP sist spurt {asked_at}).",
        "den som planlegger emnet, publiserer i TP",
    ),
    "placed": (
        "Undervisningen gjelder personen (grupper: {groups}).",
        "Undervisningen er for grupper der personen ikke har plass (grupper: {groups}).",
        "studieadministrasjonen, eller studenten i Studentweb, velger gruppe",
    ),
    "event": (
        "TP har undervisningen ({events}; av disse avlyst: {cancelled}).",
        "TP har ingen slik undervisning (usikre: {unsure}).",
        "den som planlegger emnet, legger den inn i TP",
    ),
    "window": (
        "Den kommer, og er nær nok.",
        "Den er over, eller lenger fram enn det som skrives.",
        "ingen trenger å gjøre noe: den kommer når den er nær; det som er over, skrives ikke",
    ),
    "mailbox": (
        "Personen har en postboks det kan skrives til.",
        "Det finnes ingen postboks å skrive til ({state}).",
        "de som drifter postbokser og adresser",
    ),
    "rollout": (
        "Personen er slått på.",
        "Personen er ikke slått på ennå.",
        "Kalenders driftere: kalender rollout add",
    ),
    "wish": (
        "Ingen har bedt om å få være i fred.",
        "Personen får være i fred ({wishes}).",
        "personen selv; Kalenders driftere tar ønsket tilbake",
    ),
    "held": (
        "Ingenting holdes tilbake.",
        "Holdes tilbake av bremsen: {brake}.",
        "Kalenders driftere",
    ),
    "pending": (
        "Ingenting gjenstår å gjøre.",
        "Noe gjenstår ({reason}), ikke før {not_before}. {error}",
        "ingen trenger å gjøre noe, med mindre det er lagt til side: kalender parked",
    ),
    "written": (
        "Den ble skrevet {written_at} (på grunn av: {reason}).",
        "Den er ikke skrevet ({entries} skrevet, {refused} avvist av Exchange).",
        "Kalenders driftere: kalender resync --person",
    ),
    "restored": (
        "Satt tilbake {times} ganger.",
        "Personen har endret eller slettet den så ofte ({times} ganger) at den blir slik.",
        "personen selv: den kommer igjen når undervisningen endres",
    ),
}
LANGUAGES: Final = {"en": ENGLISH, "nb": BOKMAL}
ROLES: Final = {"nb": {"student": "student", "teacher": "underviser"}}
ANSWERS: Final = {
    "en": ("Everything is as it should be.", "To be mended by: "),
    "nb": ("Alt er som det skal.", "Kan rettes av: "),
}


@app.command()
def why(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    person: Person,
    course: Annotated[str, typer.Argument(help="A code such as IN1000.")],
    day: Annotated[str | None, typer.Argument(help="Such as 2025-09-01; else all to come.")] = None,
    lang: Annotated[str | None, typer.Option(help="en or nb; else the institution's.")] = None,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say why teaching is not in a calendar: the first line that is not so, and who can mend it."""
    wired = application(context, writes=False, asks=False)
    language = lang or ("en" if wired.config.institution.language == "en" else "nb")
    if language not in LANGUAGES:
        raise ConfigError("--lang wants en or nb")
    database = opened(wired)
    person_id = looked_at(database, person, "why", reveal=reveal)
    with database.read() as connection:
        checks = checklist(
            Question(
                connection=connection,
                settings=wired.settings(),
                rollout_mode=wired.config.rollout.mode,
                now=wired.clock(),
                person_id=person_id,
                course=courses.spelled(connection, course.upper()),
                day=day_of(day, "the day"),
            )
        )
    zone = wired.config.institution.time_zone
    if as_json:
        say_json([_told(check, checks, language, zone) for check in checks])
    else:
        _say(checks, language, zone)


def _say(checks: list[Check], language: str, zone: tzinfo) -> None:
    failing = first_failing(checks)
    for check in checks:
        mark = "→" if check is failing else {True: "✓", False: "✗", None: "·"}[check.ok]
        lines(wrapped(f"{mark} {_sentence(check, language, zone)}"))
    fine, mended_by = ANSWERS[language]
    lines(
        wrapped(fine if failing is None else mended_by + LANGUAGES[language][failing.name][2] + ".")
    )


def _sentence(check: Check, language: str, zone: tzinfo) -> str:
    so, not_so, _ = LANGUAGES[language][check.name]
    facts: dict[str, Any] = {
        name: _fact(value, language, zone) for name, value in check.facts.items()
    }
    text = not_so if check.ok is False else so
    if check.name == "written" and check.ok is not False and "written_at" not in facts:
        return "-"
    return text.format_map(facts).strip()


def _fact(value: object, language: str, zone: tzinfo) -> str:
    if isinstance(value, datetime):
        return said(value, zone)
    return ROLES.get(language, {}).get(str(value), "" if value is None else str(value))


def _told(check: Check, checks: list[Check], language: str, zone: tzinfo) -> dict[str, object]:
    return {
        "check": check.name,
        "ok": check.ok,
        "first_failing": check is first_failing(checks),
        "text": _sentence(check, language, zone),
        "remedy": LANGUAGES[language][check.name][2],
        **check.facts,
    }
