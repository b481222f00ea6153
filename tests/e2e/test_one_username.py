"""One username at two persons of FS: the commands tell of it, and no calendar moves."""

import json

import pytest

from tests.e2e.house import House

pytestmark = pytest.mark.e2e


def test_one_username_at_two_persons_is_counted_and_named(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    before = house.held()
    first, second = house.get("fs/personer")[:2]
    house.send("PUT", "fs/personer", {**second, "brukernavn": first["brukernavn"]})
    house.send("DELETE", "requests")
    for _ in range(3):
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        house.run("resync", "--person", str(second["personlopenummer"]))
        house.run("resync", "--person", str(first["personlopenummer"]))
        house.run("worker", "--until-idle")
    assert house.requests_to_exchange() == 0
    assert house.held() == before
    assert json.loads(house.run("status", "--json"))["username_clashes"] == 1
    rows = {row["what"]: row for row in json.loads(house.run("check", "--json"))}
    numbers = sorted(each["personlopenummer"] for each in (first, second))
    assert rows["usernames"]["state"] == "warned"
    assert all(f"FS number {number}" in rows["usernames"]["said"] for number in numbers)
    house.send("PUT", "fs/personer", second)
    house.run("resync", "--all")
    assert json.loads(house.run("status", "--json"))["username_clashes"] == 0
