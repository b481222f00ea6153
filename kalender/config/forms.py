"""The forms that values of settings take, and what is said of one that does not."""

import json
import re
from collections.abc import Callable
from string import Formatter
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, SecretStr

from kalender.domain.mailbox import FROM_FS
from kalender.domain.model import Semester


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def _semesters(value: object) -> object:
    if value is None or value == "auto":
        return None
    words = _words(value)
    codes = [str(word) for word in words] if isinstance(words, list) else []
    if not codes or not all(re.fullmatch(r"\d\d[vh]", code) for code in codes):
        message = 'must be "auto" or a list of semesters like "25h"'
        raise ValueError(message)
    return tuple(Semester.parse(code) for code in codes)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:  # whose words may hold a password
        return None


def begins_with(*schemes: str) -> AfterValidator:
    """Accept a URL, secret or not, of one of these schemes."""

    def check(url: str | SecretStr) -> str | SecretStr:
        parts = _split(url.get_secret_value() if isinstance(url, SecretStr) else url)
        if parts is None or parts.scheme.partition("+")[0] not in schemes:
            message = f"must be a URL that begins with {' or '.join(s + '://' for s in schemes)}"
            raise ValueError(message)
        return url

    return AfterValidator(check)


def names_only(*known: str) -> AfterValidator:
    """Accept a template whose fields are among these."""

    def check(template: str) -> str:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        if not names <= set(known):
            message = f"may name {', '.join(f'{{{name}}}' for name in known)} alone"
            raise ValueError(message)
        return template

    return AfterValidator(check)


def _mailbox_rule(rule: str) -> str:
    if not rule.startswith(FROM_FS) and not ("{username}" in rule and "@" in rule):
        message = 'must be "epost:TYPE" or "{username}@domain"'
        raise ValueError(message)
    return rule


def each_of(*names: str) -> Callable[[object], object]:
    """Let one text stand for the same text under each name."""
    return lambda value: dict.fromkeys(names, value) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
SomeWords = Annotated[Words, Field(min_length=1)]
Domains = Annotated[SomeWords, AfterValidator(lambda names: tuple(n.lower() for n in names))]
Semesters = Annotated[tuple[Semester, ...] | None, BeforeValidator(_semesters)]
MaybeCount = Annotated[
    NonNegativeInt | None, BeforeValidator(lambda value: None if value == "none" else value)
]
Secret = Annotated[SecretStr, Field(min_length=1)]
Url = Annotated[str, begins_with("https", "http")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MailboxRuleText = Annotated[str, AfterValidator(_mailbox_rule), names_only("username")]
