"""The query of a request, as far as Outlook understands OData."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote

from kalender.sandbox.fields import NUMBERS, normal
from kalender.sandbox.graph.errors import GraphError
from kalender.sandbox.mailboxes import Item, listed
from kalender.sandbox.soap import ItemError

Test = Callable[[Item], bool]
_GUID = r"\{[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}"
_PROPERTY = re.compile(rf"(\w+) ({_GUID}) (Name|Id) (.+)", re.DOTALL)
_TAGGED = re.compile(r"(\w+) (0x[0-9a-fA-F]+)")
_TYPES = {
    "String",
    "Boolean",
    "SystemTime",
    "Binary",
    "CLSID",
    *NUMBERS,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[\w.@$-]+(?:[T:][\d:.]+Z?)?)|(?P<mark>[(),:/]))"
)
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_CONTAIN: dict[str, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "startswith": str.startswith,
}
_NATIVE: dict[str, Callable[[Item], str]] = {
    "subject": lambda appointment: appointment.fields.get("Subject", "").casefold(),
    "showas": lambda appointment: appointment.fields["LegacyFreeBusyStatus"].casefold(),
    "isallday": lambda appointment: appointment.fields["IsAllDayEvent"],
    "start/datetime": lambda appointment: appointment.fields["Start"],
    "end/datetime": lambda appointment: appointment.fields["End"],
    "createddatetime": lambda appointment: _utc(appointment.created),
    "lastmodifieddatetime": lambda appointment: _utc(appointment.modified),
}


def _utc(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}Z"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the decoded segments of its path, and the options of its query."""

    segments: tuple[str, ...]
    options: Mapping[str, str]


def target(url: str) -> Target:
    """Read a URL; a `#` that is not encoded cuts it, and a `+` in the query is a blank."""
    path, _, query = url.partition("#")[0].partition("?")
    segments = tuple(unquote(segment) for segment in path.split("/") if segment)
    return Target(segments, dict(parse_qsl(query, keep_blank_values=True)))


@dataclass(frozen=True, slots=True)
class NamedProperty:
    """An extended property: its id as a request wrote it, and its path as EWS has it."""

    id: str
    path: str

    def shown(self, guid: str) -> str:
        """Return the id as an answer shows it."""
        if guid == "written":
            return self.id
        return re.sub(_GUID, lambda match: match[0].lower(), self.id, count=1)


def named_property(text: str) -> NamedProperty:
    """Read the id of an extended property, or refuse one that has no known form."""
    match = _PROPERTY.fullmatch(text)
    if match and match[1] in _TYPES:
        name = match[4]
        try:
            name = name if match[3] == "Name" else str(int(name, 0))
        except ValueError as error:
            raise _no_property() from error
        return NamedProperty(text, f"{match[2].strip('{}').lower()}:{name}:{match[1]}")
    tagged = _TAGGED.fullmatch(text)
    if tagged and tagged[1] in _TYPES:
        return NamedProperty(text, f":{int(tagged[2], 16):#06x}:{tagged[1]}")
    raise _no_property()


def _no_property() -> GraphError:
    return GraphError(
        400,
        "ErrorInvalidProperty",
        "The id of an extended property is 'Type {guid} Name name', 'Type {guid} Id number' or "
        "'Type tag'.",
    )


def property_value(named: NamedProperty, text: str) -> str:
    """Read a value of an extended property in the form of its type."""
    try:
        return normal(named.path.rpartition(":")[2], text)
    except ItemError as error:
        raise GraphError(400, "ErrorInvalidProperty", "The value is not of its type.") from error


@dataclass(frozen=True, slots=True)
class Filter:
    """What a `$filter` lets through, whether that can only be our own, and the keys it names.

    `mark` is the named property, or the field of categories, that all carry which it lets through.
    """

    test: Test
    ours: bool = False
    keys: tuple[str, ...] = ()
    mark: str = ""


EVERYTHING = Filter(lambda _: True)


def read_filter(text: str | None) -> Filter:
    """Read a `$filter`; none lets everything through."""
    return EVERYTHING if text is None else _Reader(text).whole()


def read_expand(text: str | None) -> tuple[NamedProperty, ...]:
    """Read an `$expand`: the properties that are asked for by their ids, without which none come."""
    if text is None:
        return ()
    match = re.fullmatch(r"\s*singleValueExtendedProperties\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    if match is None:
        raise GraphError(400, "BadRequest", "Parsing OData Select and Expand failed.")
    if not match[1]:
        return ()
    condition = match[1].strip()
    if not condition.startswith("$filter="):
        raise GraphError(400, "BadRequest", "Parsing OData Select and Expand failed.")
    return _Reader(condition.removeprefix("$filter=")).ids()


def _invalid() -> GraphError:
    words = "The query filter contains one or more invalid nodes."
    return GraphError(400, "ErrorInvalidUrlQueryFilter", words)


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens, position = list[str](), 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                words = f"Syntax error at position {position} in '{text}'."
                raise GraphError(400, "BadRequest", f"Invalid filter clause: {words}")
            self._tokens.append(match[0].strip())
            position = match.end()
        self._at = 0

    def whole(self) -> Filter:
        """Read a filter over events."""
        made = self._either()
        if self._at != len(self._tokens):
            raise _invalid()
        return made

    def ids(self) -> tuple[NamedProperty, ...]:
        """Read `id eq 'P'`, or several of these with `or` between them."""
        made = list[NamedProperty]()
        while True:
            self._take("id")
            self._take("eq")
            made.append(named_property(self._text()))
            if self._at == len(self._tokens):
                return tuple(made)
            self._take("or")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise _invalid()
        self._at += 1
        return token

    def _take(self, *wanted: str) -> str:
        token = self._next()
        if token not in wanted:
            raise _invalid()
        return token

    def _text(self) -> str:
        token = self._next()
        if not token.startswith("'"):
            raise _invalid()
        return token[1:-1].replace("''", "'")

    def _either(self) -> Filter:
        parts = [self._both()]
        while self._peek() == "or":
            self._next()
            parts.append(self._both())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        return Filter(
            lambda appointment: any(test(appointment) for test in tests),
            all(part.ours for part in parts),
            _keys_of(parts),
        )

    def _both(self) -> Filter:
        parts = [self._one()]
        while self._peek() == "and":
            self._next()
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        return Filter(
            lambda appointment: all(test(appointment) for test in tests),
            any(part.ours for part in parts),
            _keys_of(parts),
            next(filter(None, (part.mark for part in parts)), ""),
        )

    def _one(self) -> Filter:
        if self._peek() == "(":
            self._next()
            made = self._either()
            self._take(")")
            return made
        if self._peek() in _CONTAIN:
            contain = _CONTAIN[self._next()]
            self._take("(")
            tell = self._native(self._path())
            self._take(",")
            wanted = self._text().casefold()
            self._take(")")
            return Filter(lambda appointment: contain(tell(appointment), wanted))
        path = self._path()
        if path.casefold() == "singlevalueextendedproperties/any":
            return self._any()
        if path.casefold() == "categories/any":
            return self._any_category()
        if path.casefold() == "id":
            words = "Nothing is filtered by 'id' itself."
            raise GraphError(400, "ErrorInvalidProperty", words)
        tell, compare = self._native(path), _COMPARE[self._take(*_COMPARE)]
        token = self._next()
        wanted = token[1:-1].replace("''", "'") if token.startswith("'") else token
        if "datetime" in path.casefold():
            wanted = re.sub(r"\.\d+", "", wanted).removesuffix("Z") + "Z"
        else:
            wanted = wanted.casefold()
        return Filter(lambda appointment: compare(tell(appointment), wanted))

    def _path(self) -> str:
        words = [self._next()]
        while self._peek() == "/":
            self._next()
            words.append(self._next())
        return "/".join(words)

    def _native(self, path: str) -> Callable[[Item], str]:
        try:
            return _NATIVE[path.casefold()]
        except LookupError:
            words = f"The property '{path}' does not support filtering."
            raise GraphError(400, "ErrorInvalidProperty", words) from None

    def _any(self) -> Filter:
        """Read what is within `Any(…)`: one id, `and` one condition on the value."""
        self._take("(")
        name = self._next()
        self._take(":")
        named: NamedProperty | None = None
        condition: tuple[str, str] | None = None
        while True:
            if self._peek() in _CONTAIN:
                kind = self._next()
                self._take("(")
                self._expect(name, "value")
                self._take(",")
                fresh = kind, self._text()
                self._take(")")
            else:
                path = self._path()
                if path == f"{name}/id":
                    self._take("eq")
                    if named is not None:
                        raise _invalid()
                    named, fresh = named_property(self._text()), None
                elif path == f"{name}/value":
                    fresh = self._take("eq", "ne"), self._text()
                else:
                    raise _invalid()
            if fresh is not None:
                if condition is not None:
                    raise _invalid()
                condition = fresh
            if self._take("and", ")") == ")":
                break
        if named is None or condition is None:
            raise _invalid()
        return _on_property(named, *condition)

    def _any_category(self) -> Filter:
        """Read what is within `any(…)` on categories: that one is equal to a text."""
        self._take("(")
        name = self._next()
        self._take(":")
        self._take(name)
        self._take("eq")
        wanted = self._text().casefold()
        self._take(")")

        def test(appointment: Item) -> bool:
            words = listed(appointment.fields.get("Categories"))
            return any(word.casefold() == wanted for word in words)

        return Filter(test, mark="Categories")

    def _expect(self, name: str, field: str) -> None:
        if self._path() != f"{name}/{field}":
            raise _invalid()


def _on_property(named: NamedProperty, kind: str, wanted: str) -> Filter:
    test, path, folded = {**_COMPARE, **_CONTAIN}[kind], named.path, wanted.casefold()
    if kind in _CONTAIN and not path.endswith(":String"):
        raise _invalid()
    own = ":SyncKey:" in path
    return Filter(
        lambda appointment: any(
            test(value.casefold(), folded) for value in appointment.values(path)
        ),
        own and kind != "ne",
        (wanted,) if own and kind == "eq" else (),
        path if kind != "ne" else "",
    )


def _keys_of(parts: Iterable[Filter]) -> tuple[str, ...]:
    return tuple(key for part in parts for key in part.keys)
