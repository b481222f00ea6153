"""How the checks of `why` are said in one language: a sentence for each, and who can mend it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from kalender.domain.moment import said
from kalender.domain.work import Cause
from kalender.operate.answers.words import AnswerWords
from kalender.operate.why import Check, first_failing


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidCheck:
    """A check as it is said; `first_failing` marks the one that is the answer to the question.

    `remedy` says who mends it, and how, where it is not so. `matters` False: it does not matter
    here, and listings leave it out.
    """

    check: Check
    text: str
    remedy: str | None
    first_failing: bool

    @property
    def matters(self) -> bool:
        """Whether the condition says anything here."""
        return self.check.ok is not None


_PART, _FIELD = re.compile("<([^<>]*)>"), re.compile(r"\{(\w+)\}")
_TRANSLATED = {"role", "kind", "wishes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How checks are said: in which words, with times of which zone; `common` are facts of all."""

    words: AnswerWords
    zone: tzinfo
    common: Mapping[str, str]

    def answers(self, checks: Sequence[Check]) -> list[SaidCheck]:
        """Return a checklist as it is said, in its order."""
        failing = first_failing(checks)
        return [
            SaidCheck(
                check=check,
                text=self.sentence(check),
                remedy=self.remedy(check),
                first_failing=check is failing,
            )
            for check in checks
        ]

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
        if isinstance(value, Cause):
            return self.words.causes[value.label]
        return "" if value is None else str(value).rstrip(".")
