"""Microsoft's schema of EWS: not shipped; used where KALENDER_TEST_EWS_SCHEMA names a directory.

It holds messages.xsd and types.xsd, as a Microsoft Exchange serves them beside its endpoint, and
for a client that is built from it services.wsdl; capitals in the names do not matter.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

VARIABLE = "KALENDER_TEST_EWS_SCHEMA"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
# types.xsd refers to xml:lang and imports its namespace without saying where it is declared.
XML_NAMESPACE = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="http://www.w3.org/XML/1998/namespace">
  <xs:attribute name="lang" type="xs:language"/>
</xs:schema>"""
_BOTH = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="{xml_at}"/>
<xs:import namespace="{types}" schemaLocation="{types_at}"/>
<xs:import namespace="{messages}" schemaLocation="{messages_at}"/></xs:schema>"""


def directory() -> Path:
    """Where the schema lies; a test that needs it and has none says that it did not run."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(f"{VARIABLE} is not given: nothing was held to Microsoft's schema")
    return Path(given)


def file_in(place: Path, name: str) -> Path:
    """Return a file, however its name is capitalised."""
    return next(each for each in place.iterdir() if each.name.lower() == name)


class Schema:
    """Judges requests and answers."""

    def __init__(self, place: Path) -> None:
        types, messages = (file_in(place, name) for name in ("types.xsd", "messages.xsd"))
        with tempfile.NamedTemporaryFile(suffix=".xsd") as declared:
            declared.write(XML_NAMESPACE)
            declared.flush()
            both = _BOTH.format(
                types=TYPES,
                messages=MESSAGES,
                xml_at=Path(declared.name).as_uri(),
                types_at=types.resolve().as_uri(),
                messages_at=messages.resolve().as_uri(),
            )
            self._schema = etree.XMLSchema(etree.fromstring(both))
        [codes] = etree.parse(messages).iterfind(".//*[@name='ResponseCodeType']")
        self._codes = {code.get("value") for code in codes.iter()}

    def allows(self, request: bytes) -> bool:
        """Tell whether what a request asks is of the schema."""
        try:
            body = etree.fromstring(request).find(SOAP + "Body")
        except etree.XMLSyntaxError:
            return False
        return body is not None and len(body) == 1 and self._schema.validate(body[0])

    def wrong_with(self, answer: bytes) -> list[str]:
        """Say what in an answer is not of the schema."""
        root = etree.fromstring(answer)
        [*header, body] = root
        [inner] = body
        assert root.tag == SOAP + "Envelope"
        assert body.tag == SOAP + "Body"
        wrong = [self._wrong(each) for part in header for each in part]
        wrong += self._wrong_fault(inner) if inner.tag == SOAP + "Fault" else [self._wrong(inner)]
        return [each for each in wrong if each]

    def _wrong(self, node: etree._Element) -> str:
        return "" if self._schema.validate(node) else str(self._schema.error_log)

    def _wrong_fault(self, fault: etree._Element) -> list[str]:
        code = fault.findtext("detail/{*}ResponseCode") or ""
        right = [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
        return [] if right and code in self._codes and not fault[1].attrib else [f"fault {code}"]


def code_of(answer: bytes) -> str:
    """Return the code of a SOAP fault, or nothing."""
    return etree.fromstring(answer).findtext(".//{*}detail/{*}ResponseCode") or ""


@contextmanager
def every_answer_judged(schema: Schema) -> Iterator[list[str]]:
    """Hold what any client of `requests` says to an EWS, and hears, to the schema."""
    wrong: list[str] = []
    send = requests.adapters.HTTPAdapter.send

    def judged(self: Any, request: requests.PreparedRequest, *a: Any, **k: Any) -> Any:
        response = send(self, request, *a, **k)
        kind = response.headers.get("Content-Type", "")
        if (request.url or "").lower().endswith("exchange.asmx") and kind.startswith("text/xml"):
            said = request.body if isinstance(request.body, bytes) else str(request.body).encode()
            wrong.extend(verdict(schema, said, response.content))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.adapters.HTTPAdapter, "send", judged)
        yield wrong


def verdict(schema: Schema, request: bytes, answer: bytes) -> list[str]:
    """Say what is wrong: an answer not of the schema, or a request judged otherwise than by it."""
    refused = code_of(answer) == "ErrorSchemaValidation"
    allowed = schema.allows(request)
    wrong = schema.wrong_with(answer)
    return wrong if refused != allowed else [*wrong, f"refused {refused}: {request.decode()}"]
