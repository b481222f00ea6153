"""`[calendar]`: what entries say and which there are, for each role."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import (
    BeforeValidator,
    NonNegativeInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kalender.config.forms import MaybeCount, OneForEachRole, each_of
from kalender.config.reading import merge
from kalender.config.sections import Section
from kalender.domain.render import Language, Style
from kalender.domain.roles import ROLES

LANGUAGES: tuple[Language, ...] = get_args(Language)


class Texts(Section):
    """One text in each language; None is the language's own."""

    nb: str | None = None
    nn: str | None = None
    en: str | None = None


TEXTS = ("subject", "cancelled_prefix", "body", "contact")
ByLanguage = Annotated[Texts, BeforeValidator(each_of(*LANGUAGES))]


class RoleCalendar(Section):
    """What entries say and which there are, for one role."""

    subject: ByLanguage = Texts()
    cancelled_prefix: ByLanguage = Texts()
    body: ByLanguage = Texts()
    contact: ByLanguage = Texts()
    busy: Literal["busy", "free"] = "busy"
    reminder_minutes: MaybeCount = None
    category: str = "Undervisning"
    past_days: NonNegativeInt = 0
    future_days: MaybeCount = None
    unplaced: Literal["sole_group", "nobody"] = "sole_group"
    teacher_unit_fallback: Literal["none", "free", "busy"] = "none"
    restore_edited: bool = True
    restore_deleted: bool = True
    max_restores: NonNegativeInt = 3
    delete: Literal["soft", "hard"] = "soft"

    def style(
        self, institution: str, language: Language, kinds: Mapping[str, tuple[str, str, str]]
    ) -> Style:
        """Return how entries for this role look in a language.

        `kinds` are the timetable's codes for kinds of teaching, with their names.
        """
        texts = {name: getattr(getattr(self, name), language) for name in TEXTS}
        return Style(
            institution=institution,
            language=language,
            busy=self.busy,
            reminder_minutes=self.reminder_minutes,
            category=self.category or None,
            kinds=kinds,
            **{name: text for name, text in texts.items() if text is not None},
        )

    @field_validator("subject", "body")
    @classmethod
    def _can_be_filled(cls, texts: Texts, about: ValidationInfo) -> Texts:
        for text in (texts.nb, texts.nn, texts.en):
            Style(institution="", **{str(about.field_name): text or ""})  # type: ignore[arg-type]
        return texts


class Calendar(Section):
    """What entries say and which there are; what one role lacks is taken from `general`."""

    general: RoleCalendar
    by_role: Annotated[dict[str, RoleCalendar], OneForEachRole()]

    @model_validator(mode="before")
    @classmethod
    def _layer(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        names = {role.name for role in ROLES}
        general = {key: value for key, value in raw.items() if key not in names}
        sections = {role.name: raw.get(role.name, {}) for role in ROLES}
        return {
            "general": general,
            "by_role": {
                name: merge(general, keys) if isinstance(keys, dict) else keys
                for name, keys in sections.items()
            },
        }
