"""The forms that values of settings take, and what is said of one that does not."""

import json
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    GetCoreSchemaHandler,
    NonNegativeInt,
    SecretStr,
)
from pydantic_core import CoreSchema, core_schema
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kalender.domain.mailbox import FROM_FS
from kalender.domain.model import Semester
from kalender.domain.roles import ROLES


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def _as_it_is_meant(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return each text once; an empty one, or one with a blank at its end, can match nothing."""
    for number, word in enumerate(words, start=1):
        if word != word.strip() or not word:
            message = f"its text number {number} is empty, or begins or ends with a blank"
            raise ValueError(message)
    return tuple(dict.fromkeys(words))


DOMAIN = re.compile(r"[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*")


def _domains(names: tuple[str, ...]) -> tuple[str, ...]:
    for number, name in enumerate(names, start=1):
        if not DOMAIN.fullmatch(name):
            message = f'its text number {number} is no mail domain: write it like "uni.example"'
            raise ValueError(message)
    return tuple(dict.fromkeys(name.lower() for name in names))


def _semesters(value: object) -> object:
    if value is None or value == "auto":
        return None
    words = _words(value)
    codes = [str(word) for word in words] if isinstance(words, list) else []
    if not codes or not all(re.fullmatch(r"\d\d[vh]", code) for code in codes):
        message = 'must be "auto" or a list of semesters like "25h"'
        raise ValueError(message)
    return tuple(Semester.parse(code) for code in dict.fromkeys(codes))


ENCODE = "percent-encode what is no letter or digit in user and password (@ is written %40)"
_EDGES = " \t\r\n\v\f\x00\xa0\u200b\ufeff"  # what copying a secret brings along


def trimmed(value: object) -> object:
    """Leave out what a file, a shell or copying puts around a secret."""
    return value.strip(_EDGES) if isinstance(value, str) else value


def _one_line(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isprintable():
        message = "holds a line break or another control character: give the secret alone"
        raise ValueError(message)
    return secret


def _fits_a_header(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isascii():
        message = "holds a letter that no HTTP header can carry: give the key as it was handed out"
        raise ValueError(message)
    return secret


def _database_url(secret: SecretStr) -> SecretStr:
    """Refuse what the driver would misread: it would print the rest of a password as a host."""
    try:
        url = make_url(secret.get_secret_value())
    except (ArgumentError, ValueError):  # whose words may hold a password
        url = None
    server = url is not None and url.get_backend_name() != "sqlite"
    if url is None or (
        server and not _is_plain(url.host or "", secret.get_secret_value().partition("@")[2])
    ):
        message = f"cannot be read: {ENCODE}"
        raise ValueError(message)
    if not server and url.database in {None, "", ":memory:"}:
        message = "names no file, and processes share one: sqlite:////path/to/kalender.db"
        raise ValueError(message)
    return secret


def _is_plain(host: str, remainder: str) -> bool:
    """Whether nothing of a user's name or password can have been taken for a host or a path."""
    return re.fullmatch(r"[\w.:%,-]*", host) is not None and "@" not in remainder


def _broker_url(secret: SecretStr) -> SecretStr:
    parts = _split(secret.get_secret_value())
    try:
        port = parts is not None and (parts.port or True)
    except ValueError:  # whose words may hold a password
        port = False
    remainder = f"{parts.path}?{parts.query}#{parts.fragment}" if parts is not None else "@"
    if parts is None or not port or not _is_plain(parts.hostname or "", remainder):
        message = f"cannot be read: {ENCODE}"
        raise ValueError(message)
    return secret


def _endpoint(url: str) -> str:
    """Refuse credentials in a URL that is shown, and letters that no request can carry."""
    parts = _split(url)
    try:
        whole = parts is not None and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        whole = False
    if parts is None or not whole:
        message = "cannot be read: give it as https://host/path"
    elif "@" in parts.netloc or "@" in parts.path:
        message = "must hold no user and password: they have keys of their own"
    elif not url.isprintable() or " " in url or not url.isascii():
        message = "holds a blank or a letter that no URL can carry: percent-encode it"
    else:
        return url
    raise ValueError(message)


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


def names_only(*fields: str) -> AfterValidator:
    """Accept a template whose fields are among these."""

    def check(template: str) -> str:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        if not names <= set(fields):
            message = f"may name {', '.join(f'{{{name}}}' for name in fields)} alone"
            raise ValueError(message)
        return template

    return AfterValidator(check)


def _mailbox_rule(rule: str) -> str:
    from_fs = rule.startswith(FROM_FS) and rule != FROM_FS
    from_username = "{username}" in rule and rule.count("@") == 1 and not rule.endswith("@")
    if not (from_fs or from_username) or re.search(r"\s", rule):
        message = 'must be "epost:TYPE" or "{username}@domain", without blanks'
        raise ValueError(message)
    return rule


def each_of(*names: str) -> Callable[[object], object]:
    """Let one text stand for the same text under each name."""
    return lambda value: dict.fromkeys(names, value) if isinstance(value, str) else value


class OneForEachRole:
    """Annotates a `dict[str, T]`: it has one value for each role, under the role's name."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the schema of a table in which every role's name is a key that must be there."""
        _, kind = get_args(source)
        field = core_schema.typed_dict_field(handler.generate_schema(kind), required=True)
        fields = {role.name: field for role in ROLES}
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _authorities(path: Path) -> Path:
    """Accept a file of certificates in PEM; whether it holds the right one only a trial tells."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        message = "cannot be used: give a file of certificates in PEM form"
        raise ValueError(message) from None
    return path


def _readable(path: Path) -> Path:
    try:
        path.read_text("utf-8")
    except (OSError, ValueError):
        message = "cannot be read: give a file of text that we may read"
        raise ValueError(message) from None
    return path


def _certificate(path: Path) -> Path:
    if "-----BEGIN CERTIFICATE-----" not in _readable(path).read_text("utf-8"):
        message = "holds no certificate: give it in PEM form"
        raise ValueError(message)
    return path


def _private_key(path: Path) -> Path:
    text = _readable(path).read_text("utf-8")
    if "PRIVATE KEY-----" not in text or "ENCRYPTED" in text:
        message = "holds no private key that can be used: give it in PEM form, without a passphrase"
        raise ValueError(message)
    return path


def is_pair(certificate: Path, key: Path | None) -> bool:
    """Whether a private key is that of a certificate, and both can be used."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        return False
    return True


def _directory_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name):
        message = "must be an id such as 00000000-0000-0000-0000-000000000000, or a domain"
        raise ValueError(message)
    return name


def _user_form(form: str) -> str:
    """Accept the one form that a backend can make: it is given addresses, and no usernames."""
    if form != "mail":
        message = 'must be "mail": a mailbox is named by its address, and in no other way yet'
        raise ValueError(message)
    return form


CaFile = Annotated[FilePath, AfterValidator(_authorities)]
ReadableFile = Annotated[FilePath, AfterValidator(_readable)]
CertificateFile = Annotated[FilePath, AfterValidator(_certificate)]
KeyFile = Annotated[FilePath, AfterValidator(_private_key)]
DirectoryName = Annotated[str, BeforeValidator(trimmed), AfterValidator(_directory_name)]
UserForm = Annotated[str, AfterValidator(_user_form)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_as_it_is_meant)]
SomeWords = Annotated[Words, Field(min_length=1)]
Codes = Annotated[Words, AfterValidator(lambda codes: tuple(dict.fromkeys(map(str.upper, codes))))]
SomeCodes = Annotated[Codes, Field(min_length=1)]
Domains = Annotated[SomeWords, AfterValidator(_domains)]
Semesters = Annotated[tuple[Semester, ...] | None, BeforeValidator(_semesters)]
MaybeCount = Annotated[
    NonNegativeInt | None, BeforeValidator(lambda value: None if value == "none" else value)
]
Secret = Annotated[
    SecretStr, BeforeValidator(trimmed), Field(min_length=1), AfterValidator(_one_line)
]
HeaderSecret = Annotated[Secret, AfterValidator(_fits_a_header)]
DatabaseUrl = Annotated[Secret, begins_with("sqlite", "postgresql"), AfterValidator(_database_url)]
BrokerUrl = Annotated[Secret, begins_with("amqps", "amqp"), AfterValidator(_broker_url)]
Url = Annotated[
    str, BeforeValidator(trimmed), begins_with("https", "http"), AfterValidator(_endpoint)
]
Username = Annotated[str, BeforeValidator(trimmed), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MailboxRuleText = Annotated[str, AfterValidator(_mailbox_rule), names_only("username")]
