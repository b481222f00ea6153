"""`kalender why`: what must be so for teaching to be in a calendar, and what is not, in plain words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated

import typer

from kalender.cli.answers import LANGUAGES
from kalender.cli.answers.words import Words
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
from kalender.domain.moment import said
from kalender.errors import ConfigError
from kalender.operate.why import Check, Question, checklist, first_failing
from kalender.sources.tp_codes import skips


@app.command()
def why(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    person: Person,
    course: Annotated[str, typer.Argument(help="A code such as IN1000, in any case.")],
    day: Annotated[str | None, typer.Argument(help="Such as 2025-09-01; else all to come.")] = None,
    lang: Annotated[str | None, typer.Option(help="en, nb or nn; else the institution's.")] = None,
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
        names = question.names
        whom = names.number or names.username or f"person {person_id}"  # as commands take them
        common = {"whom": whom, "course": question.course}
    speech = Speech(words=words, zone=wired.zone, common=common)
    if as_json:
        say_json(
            [
                {
                    "check": check.name,
                    "ok": check.ok,
                    "case": check.case or None,
                    "first_failing": check is first_failing(checks),
                    "text": speech.sentence(check),
                    "remedy": speech.remedy(check),
                    **check.facts,
                }
                for check in checks
            ]
        )
    else:
        failing = first_failing(checks)
        sentences = [
            f"{'→' if check is failing else '✓' if check.ok else '✗'} {speech.sentence(check)}"
            for check in checks
            if check.ok is not None
        ]
        remedy = failing and f"{words.mended_by}{speech.remedy(failing)}."
        sentences.append(remedy or words.fine)
        lines(line for sentence in sentences for line in wrapped(sentence))


_PART, _FIELD = re.compile("<([^<>]*)>"), re.compile(r"\{(\w+)\}")
_TRANSLATED = {"role", "kind", "wishes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How checks are said: in which words, with times of which zone; `common` are facts of all."""

    words: Words
    zone: tzinfo
    common: Mapping[str, str]

    def sentence(self, check: Check) -> str:
        """Return what a check says."""
        if check.ok is None:
            return self.words.beside
        if check.ok:
            so = self.words.so
            return self._filled(so.get(f"{check.name}.{check.case}") or so[check.name], check)
        return self._filled(self._not_so(check)[0], check)

    def remedy(self, check: Check) -> str | None:
        """Return who mends what is not so, and how; None of what is so, or does not matter."""
        return self._filled(self._not_so(check)[1], check) if check.ok is False else None

    def _not_so(self, check: Check) -> tuple[str, str]:
        texts = self.words.not_so
        return texts.get(f"{check.name}.{check.case}") or texts[check.name]

    def _filled(self, template: str, check: Check) -> str:
        """Return a sentence with its facts; a part in `<` and `>` goes where a fact is empty."""
        facts = {**self.common, **{n: self._fact(n, value) for n, value in check.facts.items()}}

        def part(match: re.Match[str]) -> str:
            return match[1] if all(facts.get(name) for name in _FIELD.findall(match[1])) else ""

        return _PART.sub(part, template).format_map(facts)

    def _fact(self, name: str, value: object) -> str:
        if isinstance(value, datetime):
            return said(value, self.zone)
        if name in _TRANSLATED:
            values = value if isinstance(value, list) else [value]
            return ", ".join(self.words.facts.get(str(fact), str(fact)) for fact in values)
        return "" if value is None else str(value).rstrip(".")
