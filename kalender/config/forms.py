"""The forms that values of settings take, and what is said of one that does not."""

import json
import re
import ssl
from collections.abc import Callable, Iterable
from ipaddress import ip_address
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

from kalender.domain.mailbox import BY_MAIL, BY_USERNAME, FROM_FS
from kalender.domain.model import Semester
from kalender.domain.roles import ROLES


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def must(is_right: Callable[[Any], object], message: str) -> AfterValidator:
    """Accept a value, secret or not, of which that is true; of any other `message` is said."""

    def check(value: Any) -> Any:
        if not is_right(value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise ValueError(message)
        return value

    return AfterValidator(check)


def every_must(is_right: Callable[[str], object], problem: str) -> AfterValidator:
    """Accept texts of each of which that is true; of the first other one `problem` is said."""

    def check(texts: tuple[str, ...]) -> tuple[str, ...]:
        for number, text in enumerate(texts, start=1):
            if not is_right(text):
                message = f"its text number {number} {problem}"
                raise ValueError(message)
        return texts

    return AfterValidator(check)


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


DOMAIN = re.compile(r"[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*")


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


def is_loopback(address: str) -> bool:
    """Whether this is an address of loopback, which no other machine reaches."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def begins_with(*schemes: str) -> AfterValidator:
    """Accept a URL, secret or not, of one of these schemes."""
    return must(
        lambda url: (parts := _split(url)) and parts.scheme.partition("+")[0] in schemes,
        f"must be a URL that begins with {' or '.join(s + '://' for s in schemes)}",
    )


def names_only(*fields: str) -> AfterValidator:
    """Accept a template whose fields are among these."""
    return must(
        lambda template: {name for _, name, _, _ in Formatter().parse(template)} <= {None, *fields},
        f"may name {', '.join(f'{{{name}}}' for name in fields)} alone",
    )


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


def is_pair(certificate: Path, key: Path | None) -> bool:
    """Whether a private key is that of a certificate, and both can be used."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        return False
    return True


CaFile = Annotated[FilePath, AfterValidator(_authorities)]
ReadableFile = Annotated[FilePath, AfterValidator(_readable)]
CertificateFile = Annotated[
    ReadableFile,
    must(
        lambda path: "-----BEGIN CERTIFICATE-----" in path.read_text("utf-8"),
        "holds no certificate: give it in PEM form",
    ),
]
KeyFile = Annotated[
    ReadableFile,
    must(
        lambda path: (
            "PRIVATE KEY-----" in (text := path.read_text("utf-8")) and "ENCRYPTED" not in text
        ),
        "holds no private key that can be used: give it in PEM form, without a passphrase",
    ),
]
DirectoryName = Annotated[
    str,
    BeforeValidator(trimmed),
    must(
        re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*").fullmatch,
        "must be an id such as 00000000-0000-0000-0000-000000000000, or a domain",
    ),
]
UserForm = Annotated[
    str,
    must(
        re.compile(rf"{BY_MAIL}|{BY_USERNAME}|{{username}}@[^\s@]+").fullmatch,
        f'must be "{BY_MAIL}", "{BY_USERNAME}" or "{{username}}@domain", without blanks',
    ),
    names_only("username"),
]
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    # another can match nothing
    every_must(
        lambda word: word and word == word.strip(), "is empty, or begins or ends with a blank"
    ),
    AfterValidator(_once),
]
SomeWords = Annotated[Words, Field(min_length=1)]
Codes = Annotated[Words, AfterValidator(lambda codes: _once(map(str.upper, codes)))]
SomeCodes = Annotated[Codes, Field(min_length=1)]
Domains = Annotated[
    SomeWords,
    every_must(DOMAIN.fullmatch, 'is no mail domain: write it like "uni.example"'),
    AfterValidator(lambda names: _once(map(str.lower, names))),
]
Semesters = Annotated[tuple[Semester, ...] | None, BeforeValidator(_semesters)]
MaybeCount = Annotated[
    NonNegativeInt | None, BeforeValidator(lambda value: None if value == "none" else value)
]
Secret = Annotated[
    SecretStr,
    BeforeValidator(trimmed),
    Field(min_length=1),
    must(
        str.isprintable,
        "holds a line break or another control character: give the secret alone",
    ),
]
HeaderSecret = Annotated[
    Secret,
    must(
        str.isascii,
        "holds a letter that no HTTP header can carry: give the key as it was handed out",
    ),
]
DatabaseUrl = Annotated[Secret, begins_with("sqlite", "postgresql"), AfterValidator(_database_url)]
BrokerUrl = Annotated[Secret, begins_with("amqps", "amqp"), AfterValidator(_broker_url)]
Url = Annotated[
    str, BeforeValidator(trimmed), begins_with("https", "http"), AfterValidator(_endpoint)
]
Username = Annotated[str, BeforeValidator(trimmed), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MailboxRuleText = Annotated[
    str,
    must(
        re.compile(rf"{FROM_FS}\S+|(?=\S*{{username}})[^\s@]*@[^\s@]+").fullmatch,
        'must be "epost:TYPE" or "{username}@domain", without blanks',
    ),
    names_only("username"),
]
