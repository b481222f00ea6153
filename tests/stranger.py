"""Requests of a client that this project did not write, and what it reads of the answers."""

from pathlib import Path

import requests
from lxml import etree

from kalender.sandbox.server import Running

SAMPLES = Path(__file__).parent / "data" / "ews" / "stranger"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
NOBODY = "AAMkA" + "A" * 147


class Client:
    """Sends samples."""

    def __init__(self, sandbox: Running) -> None:
        self.url, self.session = sandbox.endpoints.exchange, requests.Session()
        self.session.auth = ("kalender", "kalender")
        self.session.headers["Content-Type"] = "text/xml; charset=utf-8"

    def post(self, body: bytes) -> requests.Response:
        response = self.session.post(self.url, data=body, timeout=5)
        assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert response.content.count(b"ServerVersionInfo") == 1
        return response

    def say(self, name: str, **said: str) -> etree._Element:
        response = self.post(sample(name, **said))
        assert response.status_code == 200
        return etree.fromstring(response.content)


def sample(name: str, **said: str) -> bytes:
    text = (SAMPLES / f"{name}.xml").read_text("utf-8")
    for word, value in said.items():
        text = text.replace(f"@{word}@", value)
    return text.encode()


def codes(answer: etree._Element) -> list[str | None]:
    return [node.text for node in answer.iter(M + "ResponseCode")]


def handle(answer: etree._Element) -> dict[str, str]:
    node = next(answer.iter(T + "ItemId"))
    return {"ID": node.get("Id", ""), "KEY": node.get("ChangeKey", "")}


def names(answer: etree._Element, parent: str) -> list[str]:
    return [str(child.tag).rpartition("}")[2] for child in next(answer.iter(T + parent))]
