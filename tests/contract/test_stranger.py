"""The sandbox's Exchange and clients that this project did not write.

The samples in tests/data/ews/stranger always run. Where KALENDER_TEST_EWS_SCHEMA names Microsoft's
schema, a client made from the WSDL runs too, and every answer of this folder's tests is held to it.
"""

from collections.abc import Iterator

import pytest
from lxml import etree

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.edits import edits
from tests.ews_schema import Schema, code_of, verdict
from tests.served import start
from tests.stranger import NOBODY, Client, M, T, codes, handle, names, sample

NAMES = ("create", "get", "find", "update", "delete", "folder", "move")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=20)
    with start(directory) as running:
        yield running


@pytest.fixture
def client(sandbox: Running) -> Iterator[Client]:
    made = Client(sandbox)
    yield made
    made.session.close()


def test_a_stranger_s_samples_are_understood(client: Client) -> None:
    made = handle(client.say("create"))
    got = client.say("get", **made)
    order = """ItemId ParentFolderId ItemClass Subject Body Categories Importance HasAttachments
    ExtendedProperty ExtendedProperty ExtendedProperty UID Start End IsAllDayEvent
    LegacyFreeBusyStatus Location IsRecurring CalendarItemType Organizer RequiredAttendees
    Duration"""
    assert names(got, "CalendarItem") == order.split()
    assert [value.text for value in got.iter(T + "Value")] == ["true", "one", "two", "9"]
    assert (got.findtext(f".//{T}Start"), got.findtext(f".//{T}Duration")) == (
        "2025-09-01T08:15:00Z",
        "PT105M",
    )
    found = client.say("find")
    assert [value.text for value in found.iter(T + "Value")] == ["label-1"]
    assert handle(found)["ID"] == made["ID"]


def test_what_a_stranger_changes_is_changed(client: Client) -> None:
    made = handle(client.say("create"))
    changed = handle(client.say("update", **made))
    assert changed["ID"] == made["ID"]
    assert changed["KEY"] != made["KEY"]
    got = client.say("get", **changed)
    assert got.findtext(f".//{T}Subject") == "Changed"
    assert [word.text for word in got.iter(T + "String")] == ["Red", "Blue", "Green"]
    assert [value.text for value in got.iter(T + "Value")] == ["one", "two", "9"]
    assert got.find(f".//{T}Location") is None
    assert codes(client.say("update", **made)) == ["ErrorIrresolvableConflict"]
    always = sample("update", **made).replace(b"NeverOverwrite", b"AlwaysOverwrite")
    assert codes(etree.fromstring(client.post(always).content)) == ["NoError"]


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("create", "SendMeetingInvitations"),
        ("update", "SendMeetingInvitationsOrCancellations"),
        ("delete", "SendMeetingCancellations"),
    ],
)
def test_whether_anybody_is_mailed_is_always_said(
    client: Client, name: str, attribute: str
) -> None:
    made = handle(client.say("create"))
    silent = sample(name, **made).replace(f'{attribute}="SendToNone"'.encode(), b"")
    assert codes(etree.fromstring(client.post(silent).content)) == [f"Error{attribute}Required"]
    assert handle(client.say("get", **made)) == made


@pytest.mark.parametrize("way", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["?wsdl", "/odd", "/../Services.wsdl"])
def test_what_is_no_post_to_the_endpoint_finds_nothing(client: Client, way: str, path: str) -> None:
    response = client.session.request(way, client.url + path, timeout=5)
    assert (response.status_code, response.content) == (404, b"")


def test_an_item_in_deleted_items_has_another_id(client: Client) -> None:
    made = handle(client.say("create"))
    assert codes(client.say("delete", **made)) == ["NoError"]
    assert codes(client.say("get", **made)) == ["ErrorItemNotFound"]
    other = handle(client.say("create"))
    folder = client.say("folder")
    assert names(folder, "Folder") == ["FolderId", "DisplayName"]
    place = next(folder.iter(T + "FolderId")).get("Id", "")
    moved = handle(client.say("move", FOLDER=place, **other))
    assert moved["ID"] != other["ID"]
    assert codes(client.say("get", **other)) == ["ErrorItemNotFound"]
    assert codes(client.say("get", **moved)) == ["NoError"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"ID": NOBODY}, "ErrorItemNotFound"),
        ({"ID": "AAMkAodd!"}, "ErrorInvalidIdMalformed"),
        ({"ID": ""}, "ErrorInvalidIdEmpty"),
    ],
)
@pytest.mark.parametrize("name", ["get", "update", "delete"])
def test_an_id_that_names_nothing_is_refused_by_every_operation(
    client: Client, name: str, said: dict[str, str], code: str
) -> None:
    assert codes(client.say(name, KEY="", **said)) == [code]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"Shallow"', b'"Deep"', "ErrorSchemaValidation"),
        (b'"Exchange2016"', b'"Exchange1999"', "ErrorInvalidServerVersion"),
        (b"st000007@", b"nobody@", "ErrorNonExistentMailbox"),
    ],
)
def test_a_whole_request_can_be_refused(client: Client, old: bytes, new: bytes, code: str) -> None:
    response = client.post(sample("find").replace(old, new))
    assert (response.status_code, code_of(response.content)) == (500, code)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'Offset="0"', b'Offset="-1"', "ErrorInvalidIndexedPagingParameters"),
        (b'Returned="50"', b'Returned="0"', "ErrorInvalidPagingMaxRows"),
        (b"item:Subject", b"calendar:UID", "ErrorUnsupportedPathForQuery"),
        (b"item:Subject", b"message:From", "ErrorUnsupportedPathForQuery"),
        (b"item:Subject", b"item:ResponseObjects", "ErrorUnsupportedPathForQuery"),
        (b'"Boolean"', b'"Object"', "ErrorInvalidExtendedProperty"),
        (b'Value="8"', b'Value="eight"', "ErrorInvalidExtendedPropertyValue"),
        (b"Shallow", b"Associated", "NoError"),
        (
            b"</ns3:ParentFolderIds>",
            b"</ns3:ParentFolderIds><ns3:QueryString>subject:x</ns3:QueryString>",
            "ErrorContentIndexingNotEnabled",
        ),
        (
            b'IndexedPageItemView BasePoint="Beginning" Offset="0"',
            b'FractionalPageItemView Numerator="0" Denominator="2"',
            "ErrorInvalidRequest",
        ),
        (
            b'IndexedPageItemView BasePoint="Beginning" Offset="0"',
            b'CalendarView StartDate="2025-01-01T00:00:00Z" EndDate="2025-02-01T00:00:00Z"',
            "ErrorInvalidRequest",
        ),
    ],
)
def test_a_search_that_cannot_be_done_is_refused_and_never_wider(
    client: Client, old: bytes, new: bytes, code: str
) -> None:
    client.say("create")
    response = client.post(sample("find").replace(old, new))
    answer = etree.fromstring(response.content)
    assert response.status_code == 200
    assert codes(answer) == [code]
    assert next(answer.iter(T + "ItemId"), None) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"item:Subject": "item:Size"}, "ErrorUpdatePropertyMismatch"),
        ({"x:Subject>": "x:InReplyTo>"}, "ErrorInvalidPropertySet"),
        ({"<x:Subject>Changed</x:Subject>": ""}, "ErrorIncorrectUpdatePropertyCount"),
        ({"x:Item>": "x:Message>"}, "ErrorInvalidPropertyForOperation"),
        ({"calendar:Location": "calendar:Start"}, "ErrorInvalidPropertyDelete"),
        ({"calendar:Location": "item:Size"}, "ErrorInvalidPropertyDelete"),
        ({"Subject": "MimeContent"}, "ErrorInvalidPropertySet"),
        ({"x:SetItemField>": "x:AppendToItemField>"}, "ErrorInvalidPropertyAppend"),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(
    client: Client, changes: dict[str, str], code: str
) -> None:
    made = handle(client.say("create"))
    request = sample("update", **made)
    for old, new in changes.items():
        request = request.replace(old.encode(), new.encode())
    assert codes(etree.fromstring(client.post(request).content)) == [code]
    assert handle(client.say("get", **made)) == made


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("create", ">9<", ">nine<", "ErrorInvalidExtendedPropertyValue"),
        ("create", '"StringArray"', '"String"', "ErrorInvalidExtendedPropertyValue"),
        ("create", "PropertyTag=", 'PropertyName="x" PropertyTag=', "ErrorInvalidExtendedProperty"),
        ("create", "10:00:00.0", "07:00:00.0", "ErrorCalendarEndDateIsEarlierThanStartDate"),
        ("create", "ST000007", "st000008", "ErrorAccessDenied"),
        (
            "create",
            '"calendar"',
            '"deleteditems"',
            "ErrorCannotCreateCalendarItemInNonCalendarFolder",
        ),
        ("get", "Content>false", "Content>true", "ErrorUnsupportedMimeConversion"),
    ],
)
def test_what_cannot_be_done_is_named(
    client: Client, name: str, old: str, new: str, code: str
) -> None:
    request = sample(name, ID=NOBODY, KEY="").replace(old.encode(), new.encode())
    assert codes(etree.fromstring(client.post(request).content)) == [code]


def test_items_and_folders_are_not_mistaken_for_each_other(client: Client) -> None:
    item = handle(client.say("create"))
    folder = next(client.say("folder").iter(T + "FolderId")).get("Id", "")
    got = client.say("get", ID=folder, KEY="")
    assert codes(got) == ["ErrorCannotUseFolderIdForItemId"]
    moved = client.say("move", FOLDER=item["ID"], ID=item["ID"])
    assert codes(moved) == ["ErrorCannotUseItemIdForFolderId"]


def test_the_end_of_a_list_can_be_asked_for_first(client: Client) -> None:
    mine = [handle(client.say("create"))["ID"] for _ in range(3)]
    ascending = sample("find").replace(b"Descending", b"Ascending")
    last = ascending.replace(b'"Beginning"', b'"End"').replace(b'"50"', b'"2"')
    folder = next(etree.fromstring(client.post(last).content).iter(M + "RootFolder"))
    assert [node.get("Id") for node in folder.iter(T + "ItemId")] == mine[-2:]
    assert folder.get("IncludesLastItemInRange") == "false"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("2025-09-01T10:15:00", "2025-09-01T08:15:00Z"),
        ("2025-09-01T10:15:00.1234567+02:00", "2025-09-01T08:15:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "ErrorInvalidRequest"),
        ("2025-02-30T00:00:00Z", "ErrorSchemaValidation"),
    ],
)
def test_a_time_is_read_as_it_is_meant(client: Client, said: str, answer: str) -> None:
    request = sample("create").replace(b"2025-09-01T10:15:00", said.encode())
    made = etree.fromstring(client.post(request).content)
    if answer.startswith("Error"):
        assert {code_of(etree.tostring(made)), *codes(made)} - {""} == {answer}
        return
    assert client.say("get", **handle(made)).findtext(f".//{T}Start") == answer


def test_a_zone_that_is_not_known_is_refused_where_it_is_needed(client: Client) -> None:
    request = sample("create").replace(b"W. Europe", b"Mars")
    assert codes(etree.fromstring(client.post(request).content)) == ["ErrorCalendarInvalidTimeZone"]


@pytest.mark.parametrize("name", NAMES)
def test_every_edit_of_a_request_gets_an_answer_of_exchange(client: Client, name: str) -> None:
    for request in edits(sample(name, ID=NOBODY, KEY="", FOLDER=NOBODY)):
        response = client.post(request)
        said = (response.status_code, bool(code_of(response.content)))
        assert said in {(200, False), (500, True)}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused_is_what_microsofts_schema_refuses(
    client: Client, microsofts_schema: Schema, name: str
) -> None:
    for request in edits(sample(name, ID=NOBODY, KEY="", FOLDER=NOBODY)):
        assert verdict(microsofts_schema, request, client.post(request).content) == []
