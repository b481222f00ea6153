"""A client made from Microsoft's WSDL by a library that knows nothing of Exchange.

It needs services.wsdl beside the schema; without it every test here says that it did not run.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from zeep.plugins import HistoryPlugin
from zeep.transports import Transport
from zeep.xsd.elements.indicators import Indicator

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests import ews_schema
from tests.ews_schema import MESSAGES, TYPES, XML_NAMESPACE, Schema
from tests.served import start

NAMED = {
    "PropertySetId": "c11ff724-aa03-4555-9952-8fa248a11c3e",
    "PropertyName": "SyncKey",
    "PropertyType": "String",
}
TAGGED = {"PropertyTag": "0x7d02", "PropertyType": "IntegerArray"}
PUBLIC = {
    "DistinguishedPropertySetId": "PublicStrings",
    "PropertyName": "on",
    "PropertyType": "SystemTime",
}
CALENDAR = {"_value_1": [{"DistinguishedFolderId": {"Id": "calendar"}}]}
BEGIN = datetime(2025, 9, 1, 8, 15, tzinfo=UTC)


class Offline(Transport):  # type: ignore[misc]  # zeep is untyped
    """Gives the library what it would read of the web."""

    def load(self, url: str) -> bytes:
        return XML_NAMESPACE if url.endswith("/xml.xsd") else bytes(super().load(url))


class Substituted(zeep.Plugin):  # type: ignore[misc]  # zeep is untyped
    """Writes the elements that stand for an abstract one, which the library does not do."""

    def __init__(self, types: Path) -> None:
        found = etree.parse(types).iterfind(".//*[@substitutionGroup]")
        self._names = {each.get("type", "").partition(":")[2]: each.get("name") for each in found}

    def egress(self, envelope: Any, headers: Any, operation: Any, options: Any) -> Any:
        for node in envelope.iter(f"{{{TYPES}}}Path", f"{{{TYPES}}}SearchExpression"):
            kind = node.attrib.pop("{http://www.w3.org/2001/XMLSchema-instance}type")
            node.tag = f"{{{TYPES}}}{self._names[kind.rpartition(':')[2]]}"
        return envelope, headers


def _settle(element: Any) -> None:
    """Point elements to their types in full: those in a circle were left without their base's."""
    if isinstance(element, Indicator):
        for each in element:
            _settle(each)
    elif getattr(element, "type", None) is not None:
        element.type = element.type.resolve()


class Client:
    """Acts in one mailbox."""

    def __init__(self, place: Path, endpoint: str, session: requests.Session) -> None:
        self.history = HistoryPlugin(maxlen=1)
        transport = Offline(session=session)
        plugins = [Substituted(place / "types.xsd"), self.history]
        wsdl = str(place / "services.wsdl")
        self.wsdl: Any = zeep.Client(wsdl, transport=transport, plugins=plugins)
        for kind in self.wsdl.wsdl.types.types:
            _settle(getattr(kind, "_element", None))
        self.service = self.wsdl.create_service(f"{{{MESSAGES}}}ExchangeServiceBinding", endpoint)
        self.address = "st000003@uni.example"

    def ask(self, operation: str, **told: Any) -> list[Any]:
        sid = {"ConnectingSID": {"PrimarySmtpAddress": self.address}}
        heads = [
            self.wsdl.get_element(f"{{{TYPES}}}ExchangeImpersonation")(**sid),
            self.wsdl.get_element(f"{{{TYPES}}}RequestServerVersion")(Version="Exchange2016"),
        ]
        result = getattr(self.service, operation)(_soapheaders=heads, **told)
        messages = getattr(result, "body", result).ResponseMessages
        return [each[f"{operation}ResponseMessage"] for each in messages["_value_1"]]

    def of(self, kind: str, **told: Any) -> Any:
        return self.wsdl.get_type(f"{{{TYPES}}}{kind}")(**told)

    def uri(self, name: str) -> Any:
        return self.of("PathToUnindexedFieldType", FieldURI=name)

    def extended(self, **told: Any) -> Any:
        return self.of("PathToExtendedFieldType", **told)

    def create(self, key: str, **more: Any) -> Any:
        item = {
            "Subject": "Lecture",
            "Body": {"_value_1": "<p>one &amp; two</p>", "BodyType": "HTML"},
            "Categories": {"String": ["a", "b"]},
            "ReminderIsSet": False,
            "ExtendedProperty": [
                {"ExtendedFieldURI": NAMED, "Value": key},
                {"ExtendedFieldURI": PUBLIC, "Value": "2025-09-01T10:00:00+02:00"},
                {"ExtendedFieldURI": TAGGED, "Values": {"Value": ["1", "2"]}},
            ],
            "Start": BEGIN,
            "End": BEGIN + timedelta(hours=2),
            **more,
        }
        [message] = self.ask(
            "CreateItem",
            SendMeetingInvitations="SendToNone",
            SavedItemFolderId={"DistinguishedFolderId": {"Id": "calendar"}},
            Items={"_value_1": [{"CalendarItem": item}]},
        )
        return item_of(message).ItemId

    def shape(self, base: str, *paths: Any) -> dict[str, Any]:
        more = {"AdditionalProperties": {"_value_1": [{"Path": path} for path in paths]}}
        return {"BaseShape": base, **(more if paths else {})}

    def get(self, item_id: Any, base: str = "Default", *paths: Any) -> Any:
        ids = {"_value_1": [{"ItemId": item_id}]}
        [message] = self.ask("GetItem", ItemShape=self.shape(base, *paths), ItemIds=ids)
        return message

    def find(self, key: str) -> Any:
        wanted = {"Constant": {"Value": key}}
        rule = self.of("IsEqualToType", Path=self.extended(**NAMED), FieldURIOrConstant=wanted)
        [message] = self.ask(
            "FindItem",
            Traversal="Shallow",
            ItemShape=self.shape("IdOnly", self.extended(**NAMED)),
            IndexedPageItemView={"MaxEntriesReturned": 10, "Offset": 0, "BasePoint": "Beginning"},
            Restriction={"SearchExpression": rule},
            ParentFolderIds=CALENDAR,
        )
        return message.RootFolder

    def update(self, item_id: Any, resolution: str, *changes: dict[str, Any]) -> Any:
        change = {"ItemId": item_id, "Updates": {"_value_1": list(changes)}}
        [message] = self.ask(
            "UpdateItem",
            ConflictResolution=resolution,
            SendMeetingInvitationsOrCancellations="SendToNone",
            ItemChanges={"ItemChange": [change]},
        )
        return message

    def subject(self, text: str) -> dict[str, Any]:
        return {
            "SetItemField": {"Path": self.uri("item:Subject"), "CalendarItem": {"Subject": text}}
        }

    def delete(self, item_id: Any, kind: str) -> str:
        ids = {"_value_1": [{"ItemId": item_id}]}
        told = {"DeleteType": kind, "SendMeetingCancellations": "SendToNone"}
        [message] = self.ask("DeleteItem", ItemIds=ids, **told)
        return str(message.ResponseCode)


def item_of(message: Any) -> Any:
    assert message.ResponseCode == "NoError"
    return message["Items"]["_value_1"][0]["CalendarItem"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given, place = ews_schema.directory(), tmp_path_factory.mktemp("schema")
    for name in ("services.wsdl", "messages.xsd", "types.xsd"):
        if not any(each.name.lower() == name for each in given.iterdir()):
            pytest.skip(f"{ews_schema.VARIABLE} holds no {name}: no client was made from a WSDL")
        shutil.copy(ews_schema.file_in(given, name), place / name)
    return place


@pytest.fixture(scope="module")
def sandbox(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=20)
    with start(directory) as running:
        yield running


@pytest.fixture(scope="module")
def made(place: Path, sandbox: Running) -> Iterator[Client]:
    with requests.Session() as session:
        session.auth = ("kalender", "kalender")
        yield Client(place, sandbox.endpoints.exchange, session)


@pytest.fixture
def client(made: Client, microsofts_schema: Schema) -> Iterator[Client]:
    yield made
    received: Any = made.history.last_received
    assert microsofts_schema.wrong_with(etree.tostring(received["envelope"])) == []


def test_what_a_stranger_creates_it_gets_back(client: Client) -> None:
    made = client.create("k-get")
    properties = [client.extended(**told) for told in (NAMED, PUBLIC, TAGGED)]
    got = item_of(client.get(made, "Default", client.uri("item:Categories"), *properties))
    assert (got.Subject, got.Start, got.End) == ("Lecture", BEGIN, BEGIN + timedelta(hours=2))
    assert got.Categories.String == ["a", "b"]
    assert "<p>one &amp; two</p>" in got.Body["_value_1"]
    assert [each.Value for each in got.ExtendedProperty] == ["k-get", "2025-09-01T08:00:00Z", None]
    assert got.ExtendedProperty[2].Values.Value == ["1", "2"]


@pytest.mark.parametrize("base", ["IdOnly", "Default", "AllProperties"])
def test_every_shape_is_of_the_schema(client: Client, base: str) -> None:
    got = item_of(client.get(client.create("k-shape"), base))
    assert (got.Subject is None) == (base == "IdOnly")
    assert (got.DateTimeCreated is None) == (base != "AllProperties")


def test_a_stranger_finds_by_its_own_property(client: Client) -> None:
    made = client.create("k-find")
    client.create("k-other")
    found = client.find("k-find")
    assert [each["CalendarItem"].ItemId.Id for each in found["Items"]["_value_1"]] == [made.Id]
    assert (found.TotalItemsInView, found.IncludesLastItemInRange) == (1, True)


def test_a_stale_change_key_is_an_irresolvable_conflict_unless_always_overwritten(
    client: Client,
) -> None:
    made = client.create("k-stale")
    changed = item_of(client.update(made, "NeverOverwrite", client.subject("Once"))).ItemId
    assert changed.ChangeKey != made.ChangeKey
    for resolution in ("NeverOverwrite", "AutoResolve"):
        refused = client.update(made, resolution, client.subject("Twice"))
        assert refused.ResponseCode == "ErrorIrresolvableConflict"
    item_of(client.update(made, "AlwaysOverwrite", client.subject("Thrice")))
    assert item_of(client.get(made)).Subject == "Thrice"


def test_a_property_can_be_taken_away(client: Client) -> None:
    made = client.create("k-gone", Location="Here")
    gone = [client.extended(**NAMED), client.uri("calendar:Location")]
    item_of(
        client.update(made, "AlwaysOverwrite", *({"DeleteItemField": {"Path": p}} for p in gone))
    )
    got = item_of(client.get(made, "Default", *gone))
    assert (got.Location, got.ExtendedProperty) == (None, [])


@pytest.mark.parametrize("kind", ["HardDelete", "SoftDelete", "MoveToDeletedItems"])
def test_what_a_stranger_deletes_is_not_found_under_its_id(client: Client, kind: str) -> None:
    made = client.create("k-delete")
    assert client.delete(made, kind) == "NoError"
    assert client.get(made).ResponseCode == "ErrorItemNotFound"
    assert client.delete(made, kind) == "ErrorItemNotFound"
    assert client.find("k-delete").TotalItemsInView == 0


def test_faults_are_named(client: Client) -> None:
    client.address, mine = "nobody@uni.example", client.address
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.find("x")
    client.address = mine
    assert caught.value.code.rpartition(":")[2] == "ErrorNonExistentMailbox"
