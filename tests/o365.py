"""O365, a client of Microsoft Graph that was not written for Kalender, at the sandbox's Graph."""

from zoneinfo import ZoneInfo

import requests
from O365 import MSGraphProtocol
from O365.calendar import Schedule
from O365.connection import Connection
from O365.utils.token import MemoryTokenBackend

OSLO = ZoneInfo("Europe/Oslo")


def schedule_of(mailbox: str, base: str, token: str) -> Schedule:
    """Return the client at the schedule of one mailbox, with a token that it is given."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    connection = Connection(
        ("kalender", "kalender"),
        auth_flow_type="credentials",
        tenant_id="uni.example",
        token_backend=MemoryTokenBackend(),
        requests_delay=0,
        request_retries=0,
    )
    connection.session = session
    protocol = MSGraphProtocol(timezone=OSLO)
    protocol.protocol_url = base.removesuffix("v1.0")
    protocol.service_url = f"{base}/"
    return Schedule(con=connection, protocol=protocol, main_resource=f"users/{mailbox}")
