"""Microsoft's schema as an Exchange serves it can be used: it names xml:lang, and says not where."""

from pathlib import Path
from typing import Any

import pytest
import zeep.xsd
from lxml import etree
from zeep.transports import Transport

from tests.ews_schema import MESSAGES, TYPES, XML_NAMESPACE, Schema

# The least that has the same imports as the files of an Exchange.
TYPES_XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="{TYPES}"
    targetNamespace="{TYPES}" elementFormDefault="qualified">
  <xs:import namespace="http://www.w3.org/XML/1998/namespace"/>
  <xs:complexType name="ReplyBody">
    <xs:sequence><xs:element name="Message" type="xs:string"/></xs:sequence>
    <xs:attribute ref="xml:lang" use="optional"/>
  </xs:complexType>
</xs:schema>"""
MESSAGES_XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="{TYPES}"
    xmlns:m="{MESSAGES}" targetNamespace="{MESSAGES}" elementFormDefault="qualified">
  <xs:import namespace="{TYPES}" schemaLocation="types.xsd"/>
  <xs:simpleType name="ResponseCodeType">
    <xs:restriction base="xs:string"><xs:enumeration value="NoError"/></xs:restriction>
  </xs:simpleType>
  <xs:element name="Reply" type="t:ReplyBody"/>
</xs:schema>"""
ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    f'xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Header/><s:Body>{{body}}</s:Body></s:Envelope>'
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "types.xsd").write_text(TYPES_XSD)
    (tmp_path / "messages.xsd").write_text(MESSAGES_XSD)
    return tmp_path


def envelope(body: str) -> bytes:
    return ENVELOPE.format(body=body).encode()


def test_a_schema_that_names_xml_lang_judges_requests_and_answers(place: Path) -> None:
    schema = Schema(place)
    right = envelope('<m:Reply xml:lang="nb"><t:Message>borte</t:Message></m:Reply>')
    wrong = envelope('<m:Reply xml:lang="nb"><t:Colour>red</t:Colour></m:Reply>')
    assert schema.allows(right)
    assert not schema.allows(wrong)
    assert schema.wrong_with(right) == []
    assert schema.wrong_with(wrong) != []


def test_a_library_that_makes_a_client_of_it_finds_xml_lang(place: Path) -> None:
    class Offline(Transport):  # type: ignore[misc]  # zeep is untyped
        def load(self, url: str) -> Any:
            if url.endswith("/xml.xsd"):
                return XML_NAMESPACE
            return super().load(url)

    node = etree.fromstring(MESSAGES_XSD.encode())
    location = (place / "messages.xsd").as_uri()
    schema = zeep.xsd.Schema(node, Offline(), location=location)
    reply = schema.get_element(f"{{{MESSAGES}}}Reply")(Message="borte", lang="nb")
    assert reply.lang == "nb"
