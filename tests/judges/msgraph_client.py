"""Create, find, change and delete events as Microsoft's own client does; run by its own Python.

The address, the token and the mailbox come as JSON on standard input. Every step is asserted.
"""

import asyncio
import json
import sys
from typing import Any

from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.event import Event
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.location import Location
from msgraph.generated.models.single_value_legacy_extended_property import (
    SingleValueLegacyExtendedProperty,
)
from msgraph.generated.users.item.events.events_request_builder import EventsRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import (
    EventItemRequestBuilder,
)
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

PROPERTY = "String {4b1f3d5e-7f0c-4c7a-9d3a-0d6f4f1d2c11} Name Judge"


class GivenToken(AccessTokenProvider):  # type: ignore[misc]  # not installed here
    """The token that the caller was given."""

    def __init__(self, token: str) -> None:
        """Keep the token."""
        self.token = token

    async def get_authorization_token(self, *_arguments: Any, **_keywords: Any) -> str:
        """Return the token."""
        return self.token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        """Allow every host: the address was given."""
        return AllowedHostsValidator([])


def lunch(number: int) -> Event:
    """Return an event that carries a property of the client's own."""
    return Event(
        subject=f"Lunsj {number}",
        body=ItemBody(content_type=BodyType.Html, content="<p>med æ, ø og å</p>"),
        start=DateTimeTimeZone(
            date_time=f"2025-09-0{number}T10:15:00", time_zone="W. Europe Standard Time"
        ),
        end=DateTimeTimeZone(
            date_time=f"2025-09-0{number}T12:00:00", time_zone="W. Europe Standard Time"
        ),
        location=Location(display_name="Kantina"),
        is_reminder_on=False,
        single_value_extended_properties=[
            SingleValueLegacyExtendedProperty(id=PROPERTY, value=f"lunsj+{number}#a")
        ],
    )


async def work(base: str, token: str, mailbox: str) -> None:
    """Go through the life of three events."""
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(GivenToken(token)))
    adapter.base_url = base
    client = GraphServiceClient(request_adapter=adapter)
    events = client.users.by_user_id(mailbox).events

    # Before the first request: afterwards the client writes whole addresses into a batch. It calls
    # what a step depends on `depends_on`, which Graph ignores as the sandbox does (msgraph-sdk-python-core,
    # pull request 996).
    steps: list[BatchRequestItem] = []
    for number in (2, 3):
        behind = [steps[-1]] if steps else []
        information = events.to_post_request_information(lunch(number))
        steps.append(BatchRequestItem(information, id=str(number), depends_on=behind))

    made = await events.post(lunch(1))
    assert made.id
    assert made.change_key
    print("created one")

    answer = await client.batch.post(BatchRequestContent({step.id: step for step in steps}))
    statuses = {number: answer.get_response_by_id(number).status for number in ("2", "3")}
    assert statuses == {"2": 201, "3": 201}, statuses
    print("created two by a batch")

    query = EventsRequestBuilder.EventsRequestBuilderGetQueryParameters(
        filter=f"singleValueExtendedProperties/any(ep: ep/id eq '{PROPERTY}' and ep/value eq 'lunsj+2#a')",
        expand=[f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"],
    )
    found = await events.get(RequestConfiguration(query_parameters=query))
    (second,) = found.value
    (carried,) = second.single_value_extended_properties
    assert (second.subject, carried.value) == ("Lunsj 2", "lunsj+2#a")
    print("found one by its property")

    await events.by_event_id(made.id).patch(Event(subject="Lunsj 1, endret"))
    fields = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(
        select=["subject", "location", "changeKey", "start"]
    )
    settings = RequestConfiguration(query_parameters=fields)
    settings.headers.add("Prefer", 'outlook.timezone="UTC"')
    read = await events.by_event_id(made.id).get(settings)
    assert (read.subject, read.location.display_name) == ("Lunsj 1, endret", "Kantina")
    assert read.start.date_time.startswith("2025-09-01T08:15:00"), read.start.date_time
    assert read.change_key != made.change_key
    print("changed one")

    await events.by_event_id(second.id).delete()
    left = await events.get(RequestConfiguration(query_parameters=query))
    assert left.value == []
    print("deleted one")


def main() -> None:
    """Work on what standard input names."""
    asyncio.run(work(**json.load(sys.stdin)))


if __name__ == "__main__":
    main()
