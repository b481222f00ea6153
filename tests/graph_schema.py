"""Microsoft's metadata of Graph's calendars as a schema, where a directory of real data holds it."""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from lxml import etree

from tests import real_data

FILE = "graph/graph-v1.0-calendar.csdl.xml"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
Json = dict[str, Any]
_PRIMITIVE: Mapping[str, Json] = {
    "Edm.String": {"type": "string"},
    "Edm.Boolean": {"type": "boolean"},
    "Edm.Int32": {"type": "integer"},
    "Edm.Double": {"type": "number"},
    "Edm.Date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
    "Edm.DateTimeOffset": {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)$",
    },
}
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "innerError": {
                    "type": "object",
                    "required": ["date", "request-id"],
                    "additionalProperties": {"type": "string"},
                },
            },
        }
    },
}
_BATCH: Json = {
    "type": "object",
    "required": ["responses"],
    "additionalProperties": False,
    "properties": {
        "responses": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "status"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"},
                    "status": {"type": "integer"},
                    "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                    "body": {"type": "object"},
                },
            },
        }
    },
}


def is_there() -> bool:
    """Tell whether there is anything to judge by."""
    return bool(os.environ.get(real_data.VARIABLE))


class Schema:
    """Judges requests and answers; `is_open` lets members pass that an open type may have."""

    def __init__(self, *, is_open: bool = False) -> None:
        root = etree.parse(real_data.path(FILE)).getroot()
        (schema,) = root.iter(EDM + "Schema")
        self._is_open = is_open
        self._types: dict[str, Any] = {
            f"graph.{node.get('Name')}": node
            for node in schema
            if node.tag in {EDM + "EnumType", EDM + "ComplexType", EDM + "EntityType"}
        }
        definitions = {name: self._definition(node) for name, node in self._types.items()}
        self._validators = {
            name: Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})
            for name in definitions
        }
        self._error, self._batch = Draft202012Validator(_ERROR), Draft202012Validator(_BATCH)

    def _definition(self, node: Any) -> Json:
        if node.tag == EDM + "EnumType":
            return {"enum": [member.get("Name") for member in node]}
        chain = [node]
        while base := chain[-1].get("BaseType"):
            chain.append(self._types[base])
        properties = {
            str(part.get("Name")): self._property(part)
            for each in chain
            for part in each
            if part.tag in {EDM + "Property", EDM + "NavigationProperty"}
        }
        is_open = self._is_open and any(each.get("OpenType") == "true" for each in chain)
        return {
            "type": "object",
            "properties": properties,
            "patternProperties": {"@odata\\.": True},
            "additionalProperties": is_open,
        }

    def _property(self, node: Any) -> Json:
        kind = str(node.get("Type"))
        inner = re.fullmatch(r"Collection\((.*)\)", kind)
        if inner:
            return {"type": "array", "items": self._reference(inner[1])}
        made = self._reference(kind)
        return made if node.get("Nullable") == "false" else {"anyOf": [made, {"type": "null"}]}

    def _reference(self, kind: str) -> Json:
        return dict(_PRIMITIVE[kind]) if kind in _PRIMITIVE else {"$ref": f"#/$defs/{kind}"}

    # -- judging --------------------------------------------------------------------------------

    def wrong(self, kind: str, value: object) -> str | None:
        """Return what is wrong with a value of a type, if anything is."""
        return _complaint(self._validators[f"graph.{kind}"], value)

    def wrong_request(self, method: str, url: str, body: object) -> str | None:
        """Return what is wrong with the body of a request."""
        if method == "POST" and url.startswith("/$batch"):
            return next(
                (
                    wrong
                    for part in _dict(body).get("requests", [])
                    if (wrong := self.wrong_request(part["method"], part["url"], part.get("body")))
                ),
                None,
            )
        kind = _kind(url)
        if method in {"POST", "PATCH"} and kind == "event":
            return self.wrong("event", body)
        return None

    def wrong_answer(
        self, request: tuple[str, str, object], status: int, body: object
    ) -> str | None:
        """Return what is wrong with the answer to a request."""
        method, url, asked = request
        if status >= 400:
            return _complaint(self._error, body)
        if status == 204:
            return None if body is None else "an answer without content has a body"
        if method == "POST" and url.startswith("/$batch"):
            return _complaint(self._batch, body) or self._wrong_parts(_dict(asked), _dict(body))
        kind = _kind(url)
        if kind is None:
            return None
        if method == "GET" and kind == "event" and url.partition("?")[0].endswith("/events"):
            values = _dict(body)["value"]
            return next(
                (wrong for value in values if (wrong := self._wrong_entity(kind, value))), None
            )
        return self._wrong_entity(kind, body)

    def _wrong_entity(self, kind: str, value: object) -> str | None:
        if not _dict(value).get("id"):
            return "an entity has no id"
        return self.wrong(kind, value)

    def _wrong_parts(self, asked: Json, body: Json) -> str | None:
        parts = {part["id"]: part for part in asked["requests"]}
        for answer in body["responses"]:
            part = parts[answer["id"]]
            request = (part["method"], part["url"], part.get("body"))
            if answer["status"] == 424:
                continue
            wrong = self.wrong_answer(request, answer["status"], answer.get("body"))
            if wrong:
                return f"{part['id']}: {wrong}"
        return None


def _complaint(validator: Draft202012Validator, value: object) -> str | None:
    error = best_match(validator.iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message[:300]}"


def _dict(value: object) -> Json:
    assert isinstance(value, dict), value
    return value


def _kind(url: str) -> str | None:
    """Return the type of what a URL names."""
    segments = [unquote(part) for part in url.partition("?")[0].split("/") if part]
    if segments[-1] == "calendar":
        return "calendar"
    return (
        "event"
        if "events" in segments and segments[-1] not in {"permanentDelete", "delta"}
        else None
    )
