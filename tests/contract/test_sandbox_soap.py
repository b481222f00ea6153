"""The sandbox's Exchange as bytes on the wire: order, refusals, what is remembered."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from lxml import etree

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.served import start

MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
M, T = f"{{{MESSAGES}}}", f"{{{TYPES}}}"
ADDRESS = "st000007@uni.example"
KEY = (
    '<t:ExtendedFieldURI PropertySetId="C11FF724-aa03-4555-9952-8fa248a11c3e" '
    'PropertyName="SyncKey" PropertyType="String"/>'
)
CALENDAR = '<t:DistinguishedFolderId Id="calendar"/>'


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=60)
    with start(directory) as running:
        yield running


def post(sandbox: Running, body: bytes | str) -> requests.Response:
    data = body if isinstance(body, bytes) else body.encode()
    auth = ("kalender", "kalender")
    return requests.post(sandbox.endpoints.exchange, data=data, auth=auth, timeout=5)


def control(sandbox: Running, way: str, path: str, json: Any = None) -> Any:
    return requests.request(way, sandbox.endpoints.control + path, json=json, timeout=5).json()


def enveloped(operation: str, person: str | None = ADDRESS) -> str:
    sid = f"<t:ConnectingSID><t:PrimarySmtpAddress>{person}</t:PrimarySmtpAddress>"
    header = f"<t:ExchangeImpersonation>{sid}</t:ConnectingSID></t:ExchangeImpersonation>"
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Header>{header if person else ""}</s:Header>'
        f"<s:Body>{operation}</s:Body></s:Envelope>"
    )


def create(fields: str, person: str | None = ADDRESS, folder: str = CALENDAR) -> str:
    return enveloped(
        '<m:CreateItem SendMeetingInvitations="SendToNone">'
        f"<m:SavedItemFolderId>{folder}</m:SavedItemFolderId>"
        f"<m:Items><t:CalendarItem>{fields}</t:CalendarItem></m:Items></m:CreateItem>",
        person,
    )


def get(item_id: str, properties: str = "", base: str = "IdOnly", more: str = "") -> str:
    extra = f"<t:AdditionalProperties>{properties}</t:AdditionalProperties>" if properties else ""
    return enveloped(
        f"<m:GetItem><m:ItemShape><t:BaseShape>{base}</t:BaseShape>{more}{extra}</m:ItemShape>"
        f'<m:ItemIds><t:ItemId Id="{item_id}"/></m:ItemIds></m:GetItem>'
    )


def find(restriction: str, view: str = "") -> str:
    return enveloped(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
        f"</m:ItemShape>{view}{restriction}<m:ParentFolderIds>{CALENDAR}</m:ParentFolderIds>"
        "</m:FindItem>"
    )


def update(item_id: str, change: str) -> str:
    return enveloped(
        '<m:UpdateItem ConflictResolution="AlwaysOverwrite" '
        'SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{item_id}"/><t:Updates>{change}</t:Updates></t:ItemChange>'
        "</m:ItemChanges></m:UpdateItem>"
    )


def with_key(key: str) -> str:
    value = f"<t:Value>{key}</t:Value>"
    return f"<t:ExtendedProperty>{KEY}{value}</t:ExtendedProperty>"


def is_key(key: str) -> str:
    constant = f'<t:FieldURIOrConstant><t:Constant Value="{key}"/></t:FieldURIOrConstant>'
    return f"<t:IsEqualTo>{KEY}{constant}</t:IsEqualTo>"


def codes(response: requests.Response) -> list[str]:
    root = etree.fromstring(response.content)
    return [node.text or "" for node in root.iter(M + "ResponseCode")]


def fault_of(response: requests.Response) -> str:
    assert response.status_code == 500
    root = etree.fromstring(response.content)
    return root.findtext(".//{*}detail/{*}ResponseCode") or ""


def id_of(response: requests.Response) -> str:
    node = next(etree.fromstring(response.content).iter(T + "ItemId"))
    return node.get("Id", "")


def order_of(response: requests.Response) -> list[str]:
    item = next(etree.fromstring(response.content).iter(T + "CalendarItem"))
    return [str(child.tag).removeprefix(T) for child in item]


def test_a_field_out_of_microsofts_order_is_refused(sandbox: Running) -> None:
    right = "<t:Subject>x</t:Subject><t:Start>2025-09-01T08:00:00Z</t:Start>"
    wrong = "<t:Start>2025-09-01T08:00:00Z</t:Start><t:Subject>x</t:Subject>"
    assert codes(post(sandbox, create(right))) == ["NoError"]
    assert fault_of(post(sandbox, create(wrong))) == "ErrorSchemaValidation"
    assert fault_of(post(sandbox, create("<t:Colour>red</t:Colour>"))) == "ErrorSchemaValidation"


@pytest.mark.parametrize(
    "body",
    ["", "<", "<a/>", enveloped("<m:Subscribe/>"), enveloped("<m:GetItem/>"), enveloped("")],
)
def test_what_is_no_request_of_the_schema_is_a_fault(sandbox: Running, body: str) -> None:
    assert fault_of(post(sandbox, body)) == "ErrorSchemaValidation"


def test_an_answer_is_in_microsofts_order(sandbox: Running) -> None:
    item = post(
        sandbox,
        create(
            '<t:Subject>x</t:Subject><t:Body BodyType="HTML">&lt;b>y&lt;/b></t:Body>'
            f"<t:Categories><t:String>c</t:String></t:Categories>{with_key('o1')}"
            "<t:Start>2025-09-01T08:00:00Z</t:Start><t:End>2025-09-01T09:00:00Z</t:End>"
            "<t:Location>l</t:Location>"
        ),
    )
    wanted = (
        '<t:FieldURI FieldURI="calendar:Location"/><t:FieldURI FieldURI="calendar:End"/>'
        f'{KEY}<t:FieldURI FieldURI="item:Body"/><t:FieldURI FieldURI="item:LastModifiedTime"/>'
        '<t:FieldURI FieldURI="item:Subject"/><t:FieldURI FieldURI="calendar:Start"/>'
        '<t:FieldURI FieldURI="item:Categories"/>'
    )
    assert order_of(post(sandbox, get(id_of(item), wanted))) == [
        *("ItemId", "Subject", "Body", "Categories", "ExtendedProperty", "LastModifiedTime"),
        *("Start", "End", "Location"),
    ]
    assert order_of(post(sandbox, get(id_of(item)))) == ["ItemId"]
    assert "ExtendedProperty" not in order_of(post(sandbox, get(id_of(item), base="AllProperties")))


def test_a_body_comes_in_the_form_that_is_asked_for(sandbox: Running) -> None:
    html = '<t:Body BodyType="HTML">&lt;p>a &amp;amp; b&lt;/p></t:Body>'
    item = id_of(post(sandbox, create(f"{html}<t:Start>2025-09-01T08:00:00Z</t:Start>")))
    body = '<t:FieldURI FieldURI="item:Body"/>'
    for kind, text in (("Text", "a & b"), ("HTML", "<p>a &amp; b</p>"), ("Best", "<p>a &amp;")):
        more = f"<t:BodyType>{kind}</t:BodyType>"
        root = etree.fromstring(post(sandbox, get(item, body, more=more)).content)
        assert text in (root.findtext(f".//{T}Body") or "")


@pytest.mark.parametrize(
    ("item_id", "code"),
    [
        ("not base64!", "ErrorInvalidIdMalformed"),
        ("AAMkA", "ErrorInvalidIdMalformed"),
        ("AAMkA" + "A" * 147, "ErrorItemNotFound"),
    ],
)
def test_an_id_that_names_nothing_says_why(sandbox: Running, item_id: str, code: str) -> None:
    assert codes(post(sandbox, get(item_id))) == [code]


def test_one_bad_item_does_not_stop_the_batch(sandbox: Running) -> None:
    good = id_of(post(sandbox, create("<t:Start>2025-09-01T08:00:00Z</t:Start>")))
    body = get(good).replace("<m:ItemIds>", '<m:ItemIds><t:ItemId Id="bad"/>')
    assert codes(post(sandbox, body)) == ["ErrorInvalidIdMalformed", "NoError"]


def test_meetings_say_whether_anybody_is_to_be_mailed(sandbox: Running) -> None:
    silent = create("").replace(' SendMeetingInvitations="SendToNone"', "")
    assert codes(post(sandbox, silent)) == ["ErrorSendMeetingInvitationsRequired"]


def test_a_field_can_be_added_to_or_taken_away(sandbox: Running) -> None:
    start_at = "<t:Start>2025-09-01T10:00:00Z</t:Start>"
    one = "<t:Categories><t:String>a</t:String></t:Categories>"
    item = id_of(post(sandbox, create(f"{one}{with_key('k')}{start_at}")))
    path = '<t:FieldURI FieldURI="item:Categories"/>'
    more = f"<t:CalendarItem>{one.replace('a<', 'b<')}</t:CalendarItem>"
    added = f"<t:AppendToItemField>{path}{more}</t:AppendToItemField>"
    assert codes(post(sandbox, update(item, added))) == ["NoError"]
    assert codes(post(sandbox, update(item, f"<t:DeleteItemField>{KEY}</t:DeleteItemField>"))) == [
        "NoError"
    ]
    wrong = added.replace("item:Categories", "item:Subject")
    assert codes(post(sandbox, update(item, wrong))) == ["ErrorUpdatePropertyMismatch"]
    rows = control(sandbox, "GET", f"/exchange/items?mailbox={ADDRESS}")
    [row] = [row for row in rows if row["id"] == item]
    assert (row["categories"], row["sync_key"]) == (["a", "b"], None)


def test_a_write_without_a_change_key_needs_overwriting(sandbox: Running) -> None:
    item = id_of(post(sandbox, create("<t:Start>2025-09-01T10:00:00Z</t:Start>")))
    path = '<t:DeleteItemField><t:FieldURI FieldURI="calendar:Location"/></t:DeleteItemField>'
    body = update(item, path).replace("AlwaysOverwrite", "AutoResolve")
    assert codes(post(sandbox, body)) == ["ErrorChangeKeyRequiredForWriteOperations"]
    body = body.replace('"/><t:Updates>', '" ChangeKey="odd"/><t:Updates>')
    assert codes(post(sandbox, body)) == ["ErrorInvalidChangeKey"]


def test_folders_can_be_found_and_named_by_their_ids(sandbox: Running) -> None:
    shape = "<m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
    root = '<t:DistinguishedFolderId Id="msgfolderroot"/>'
    body = enveloped(
        f'<m:FindFolder Traversal="Shallow">{shape}<m:ParentFolderIds>{root}'
        "</m:ParentFolderIds></m:FindFolder>"
    )
    found = etree.fromstring(post(sandbox, body).content)
    folder = next(found.iter(T + "CalendarFolder"))[0].get("Id", "")
    by_id = find("").replace(CALENDAR, f'<t:FolderId Id="{folder}"/>')
    assert codes(post(sandbox, by_id)) == ["NoError"]
    absent = find("").replace('Id="calendar"', 'Id="journal"')
    assert codes(post(sandbox, absent)) == ["ErrorFolderNotFound"]
    odd = find("").replace('Id="calendar"', 'Id="odd"')
    assert fault_of(post(sandbox, odd)) == "ErrorSchemaValidation"


def test_searches_compare_dates_and_texts(sandbox: Running) -> None:
    person = "st000013@uni.example"
    for day, subject in ((1, "Alpha one"), (2, "alpha two"), (3, "Beta")):
        made = f"<t:Subject>{subject}</t:Subject><t:Start>2025-09-0{day}T08:00:00Z</t:Start>"
        post(sandbox, create(made, person))
    begins = '<t:FieldURI FieldURI="calendar:Start"/>'
    constant = '<t:Constant Value="2025-09-02T10:00:00+02:00"/>'
    wanted = f"<t:FieldURIOrConstant>{constant}</t:FieldURIOrConstant>"
    later = f"<t:IsGreaterThanOrEqualTo>{begins}{wanted}</t:IsGreaterThanOrEqualTo>"
    subject = '<t:FieldURI FieldURI="item:Subject"/><t:Constant Value="alpha"/>'
    how = 'ContainmentMode="Prefixed" ContainmentComparison="IgnoreCase"'
    prefix = f"<t:Contains {how}>{subject}</t:Contains>"
    for rule, count in (
        (f"<t:And>{later}{prefix}</t:And>", 1),
        (f"<t:And><t:Not>{later}</t:Not>{prefix}</t:And>", 1),
        (prefix.replace("Prefixed", "Substring"), 2),
    ):
        body = find(f"<m:Restriction>{rule}</m:Restriction>").replace(ADDRESS, person)
        folder = next(etree.fromstring(post(sandbox, body).content).iter(M + "RootFolder"))
        assert folder.get("TotalItemsInView") == str(count)
    bits = f'<t:Excludes>{KEY}<t:Bitmask Value="1"/></t:Excludes>'
    odd = find(f"<m:Restriction>{bits}</m:Restriction>")
    assert codes(post(sandbox, odd)) == ["ErrorUnsupportedPathForQuery"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("2025-08-31T00:00:00Z", "ErrorCalendarEndDateIsEarlierThanStartDate"),
        ("2028-09-01T00:00:00Z", "ErrorCalendarViewRangeTooBig"),
        ("2025-09-30T00:00:00Z", "NoError"),
    ],
)
def test_a_calendar_view_has_its_bounds(sandbox: Running, end: str, code: str) -> None:
    view = f'<m:CalendarView StartDate="2025-09-01T00:00:00Z" EndDate="{end}"/>'
    assert codes(post(sandbox, find("", view))) == [code]


def test_a_local_time_is_read_in_the_zone_it_names(sandbox: Running) -> None:
    zone = '<t:StartTimeZone Id="W. Europe Standard Time"/>'
    item = post(sandbox, create(f"<t:Start>2025-09-01T10:00:00</t:Start>{zone}"))
    start_uri = '<t:FieldURI FieldURI="calendar:Start"/>'
    root = etree.fromstring(post(sandbox, get(id_of(item), start_uri)).content)
    assert root.findtext(f".//{T}Start") == "2025-09-01T08:00:00Z"


def test_what_is_not_said_gets_exchanges_defaults(sandbox: Running) -> None:
    response = post(sandbox, create("<t:Start>2025-09-01T10:00:00Z</t:Start>"))
    rows = control(sandbox, "GET", f"/exchange/items?mailbox={ADDRESS}")
    row = next(row for row in rows if row["id"] == id_of(response))
    assert (row["reminder_is_set"], row["show_as"]) == (True, "Busy")


def test_a_restriction_finds_at_most_250_at_a_time(sandbox: Running) -> None:
    person = "st000008@uni.example"
    start_at = "<t:Start>2025-09-01T08:00:00Z</t:Start>"
    one = f"<t:CalendarItem>{with_key('many')}{start_at}</t:CalendarItem>"
    many = create("", person).replace("<t:CalendarItem></t:CalendarItem>", one * 251)
    assert post(sandbox, many).status_code == 200
    view = '<m:IndexedPageItemView MaxEntriesReturned="1000" Offset="0" BasePoint="Beginning"/>'
    rule = f"<m:Restriction><t:Exists>{KEY}</t:Exists></m:Restriction>"
    body = find(rule, view).replace(ADDRESS, person)
    folder = next(etree.fromstring(post(sandbox, body).content).iter(M + "RootFolder"))
    assert len(folder[0]) == 250
    assert {str(k): v for k, v in folder.attrib.items()} == {
        "IndexedPagingOffset": "250",
        "TotalItemsInView": "251",
        "IncludesLastItemInRange": "false",
    }


def test_the_log_tells_a_search_for_keys_from_any_other(sandbox: Running) -> None:
    control(sandbox, "DELETE", "/requests")
    both = f"<t:Or>{is_key('a')}{is_key('b')}</t:Or>"
    subject = '<t:Exists><t:FieldURI FieldURI="item:Subject"/></t:Exists>'
    for inner in (
        both,
        f"<t:Or>{is_key('a')}{subject}</t:Or>",
        f"<t:And>{is_key('a')}{subject}</t:And>",
    ):
        post(sandbox, find(f"<m:Restriction>{inner}</m:Restriction>"))
    post(sandbox, find(""))
    rows = control(sandbox, "GET", "/requests")
    assert [row["restricted"] for row in rows] == [True, False, True, False]
    assert rows[0]["keys"] == ["a", "b"]
    assert {row["mailbox"] for row in rows} == {ADDRESS}
    assert control(sandbox, "GET", "/counters")["exchange.FindItem"] == 4


def test_the_log_says_to_whose_mark_a_search_is_restricted(sandbox: Running) -> None:
    path = "0a1b2c3d-1111-4222-8333-444455556666:TimePlanId:String"
    written = {"mailbox": ADDRESS, "private": False, "series": True, "subject": "A series"}
    control(sandbox, "POST", "/exchange/items", {**written, "properties": {path: "tp-1"}})
    control(sandbox, "DELETE", "/requests")
    named = (
        '<t:ExtendedFieldURI PropertySetId="0A1B2C3D-1111-4222-8333-444455556666"'
        ' PropertyName="TimePlanId" PropertyType="String"/>'
    )
    body = '<t:FieldURI FieldURI="item:Body"/><t:Constant Value="x"/>'
    for inner in (
        f'<t:Contains ContainmentMode="Prefixed">{named}<t:Constant Value="tp-"/></t:Contains>',
        f'<t:Contains ContainmentMode="Substring">{body}</t:Contains>',
        '<t:Exists><t:FieldURI FieldURI="item:Subject"/></t:Exists>',
    ):
        post(sandbox, find(f"<m:Restriction>{inner}</m:Restriction>"))
    rows = control(sandbox, "GET", "/requests")
    assert [row["mark"] for row in rows] == [path, "Body", ""]
    assert [len(row["ids"]) for row in rows[:2]] == [1, 0]


def test_the_log_names_items_and_keys(sandbox: Running) -> None:
    start_at = "<t:Start>2025-09-01T08:00:00Z</t:Start>"
    item = id_of(post(sandbox, create(f"{with_key('logged')}{start_at}")))
    post(sandbox, get(item))
    row = control(sandbox, "GET", "/requests")[-1]
    assert (row["operation"], row["ids"], row["keys"]) == ("GetItem", [item], ["logged"])
    assert (row["status"], row["code"], row["items"]) == (200, "NoError", 1)
    assert control(sandbox, "GET", f"/requests?since={row['n']}") == []


def test_without_impersonation_the_folder_says_whose(sandbox: Running) -> None:
    owner = "<t:Mailbox><t:EmailAddress>ST000009@uni.example</t:EmailAddress></t:Mailbox>"
    folder = f'<t:DistinguishedFolderId Id="calendar">{owner}</t:DistinguishedFolderId>'
    body = create("<t:Start>2025-09-01T08:00:00Z</t:Start>", None, folder)
    assert codes(post(sandbox, body)) == ["NoError"]
    control(sandbox, "PUT", "/exchange/access", {"delegate": False})
    assert fault_of(post(sandbox, body)) == "ErrorImpersonateUserDenied"
    control(sandbox, "PUT", "/exchange/access", {"delegate": True})


def test_another_persons_folder_is_refused(sandbox: Running) -> None:
    owner = "<t:Mailbox><t:EmailAddress>st000010@uni.example</t:EmailAddress></t:Mailbox>"
    folder = f'<t:DistinguishedFolderId Id="calendar">{owner}</t:DistinguishedFolderId>'
    assert codes(post(sandbox, create("", ADDRESS, folder))) == ["ErrorAccessDenied"]


def test_private_items_are_made_at_the_first_look_and_always_the_same(sandbox: Running) -> None:
    path = "/exchange/items?mailbox=st000011@uni.example"
    rows = control(sandbox, "GET", path)
    assert [row["private"] for row in rows] == [True, True]
    assert control(sandbox, "GET", path) == rows
    listed = control(sandbox, "GET", "/exchange/mailboxes")
    assert {"address": "st000011@uni.example", "state": "active", "items": 2} in listed
    assert control(sandbox, "GET", "/exchange/all")["st000011@uni.example"] == rows


def test_touching_a_private_item_can_be_rehearsed(sandbox: Running) -> None:
    before = control(sandbox, "GET", "/exchange/private-touched")["count"]
    told = {"do": "touch-private", "mailbox": "st000012@uni.example"}
    assert control(sandbox, "POST", "/exchange/meddle", told)["touched"]
    assert control(sandbox, "GET", "/exchange/private-touched")["count"] == before + 1


def test_control_says_what_it_does_not_know(sandbox: Running) -> None:
    def status(way: str, path: str, json: Any) -> int:
        url = sandbox.endpoints.control + path
        return requests.request(way, url, json=json, timeout=5).status_code

    nobody = {"mailbox": "nobody@uni.example", "do": "copy"}
    assert status("POST", "/exchange/meddle", nobody) == 404
    assert status("POST", "/exchange/meddle", {"mailbox": ADDRESS, "do": "x", "id": "y"}) == 404
    assert status("PUT", f"/exchange/mailbox?address={ADDRESS}", {"state": "odd"}) == 400
    assert status("POST", "/faults", {"neighbour": "fs", "kind": "odd"}) == 400
    assert status("PUT", "/fs/form", {"form": "odd"}) == 400
    assert status("GET", "/fs/odd", None) == 404
    assert status("GET", "/tp/ODD", None) == 404


def test_control_answers_alike_on_all_three_ports(sandbox: Running) -> None:
    ends = sandbox.endpoints
    bases = {ends.fs, ends.tp, ends.exchange.removesuffix("/EWS/Exchange.asmx")}
    said = [requests.get(f"{base}/_control/counters", timeout=5).json() for base in bases]
    assert len(bases) == 3
    assert said[0] == said[1] == said[2]
