"""`kalender why`: what must be so for teaching to be in a calendar, and what is not, in plain words."""

from typing import Annotated

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
from kalender.cli.show import resolve_and_log_access
from kalender.errors import ConfigError
from kalender.operate.answers import LANGUAGES
from kalender.operate.answers.speech import Speech
from kalender.operate.question import Question
from kalender.operate.why import checklist
from kalender.sources.tp_codes import skips


@app.command()
def why(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    person: Person,
    course: Annotated[str, typer.Argument(help="A code such as IN1000, in any case.")],
    day: Annotated[str | None, typer.Argument(help="Such as 2025-09-01; else all to come.")] = None,
    lang: Annotated[
        str | None,
        typer.Option(help="The answer's language: en, nb or nn; else the institution's."),
    ] = None,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say why teaching is not in a calendar: the first line that is not so, and who can mend it."""
    wired = application(context, writes=False, asks=False)
    words = LANGUAGES.get(lang or wired.config.institution.language)
    if words is None:
        raise ConfigError("--lang wants en, nb or nn")
    database = opened(wired)
    person_id = resolve_and_log_access(database, person, "why", reveal=reveal)
    with database.read() as connection:
        question = Question(
            connection=connection,
            settings=wired.settings(),
            rollout_mode=wired.config.rollout.mode,
            skips=skips(wired.config.tp.skip),
            now=wired.clock(),
            person_id=person_id,
            asked_for=course.strip(),
            day=day_of(day, "the day"),
        )
        checks = checklist(question)
        common = {"whom": question.whom, "course": question.course}
    answers = Speech(words=words, zone=wired.zone, common=common).answers(checks)
    if as_json:
        say_json(
            [
                {
                    "check": answer.check.name,
                    "ok": answer.check.ok,
                    "case": answer.check.case or None,
                    "first_failing": answer.first_failing,
                    "text": answer.text,
                    "remedy": answer.remedy,
                    **answer.check.facts,
                }
                for answer in answers
            ]
        )
        return
    for answer in answers:
        if answer.matters:
            mark = "→" if answer.first_failing else "✓" if answer.check.ok else "✗"
            lines(wrapped(f"{mark} {answer.text}"))
    remedy = next((answer.remedy for answer in answers if answer.first_failing), None)
    lines(wrapped(words.fine if remedy is None else f"{words.mended_by}{remedy}."))
