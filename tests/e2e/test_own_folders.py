"""A user drags an entry into a calendar folder of their own, again and again."""

import json

import pytest

from kalender.sandbox.installation import Json
from tests.drills.town import town
from tests.e2e.house import House

pytestmark = pytest.mark.e2e


def ours(house: House, mailbox: str, event: str, folder: str) -> list[Json]:
    return [
        item
        for item in house.get("exchange/all")[mailbox]
        if (item["sync_key"] or "").startswith(f"{event}#") and item["folder"] == folder
    ]


def test_what_is_dragged_away_is_its_users_own_and_put_back_three_times_at_most() -> None:
    with town(students=5) as house:
        mailbox, items = next(
            (box, [item for item in found if item["sync_key"]])
            for box, found in sorted(house.get("exchange/all").items())
            if sum(bool(item["sync_key"]) for item in found) > 3
        )
        event = items[-1]["sync_key"].rpartition("#")[0]
        dragged = []
        with house.running("worker"):
            for times in range(1, 5):
                (item,) = ours(house, mailbox, event, "calendar")
                told = {"mailbox": mailbox, "id": item["id"], "do": "move", "folder": "other"}
                dragged.append(house.send("POST", "exchange/meddle", told))
                house.run("verify", "--all", "--wait")
                assert len(ours(house, mailbox, event, "calendar")) == (1 if times <= 3 else 0)
                assert ours(house, mailbox, event, "other") == dragged
        found = json.loads(house.run("status", "--json"))
        assert found["verdict"]["state"] == "healthy"
        assert found["parked"] == 0
        assert house.get("exchange/private-touched")["count"] == 0
        requests = house.get("requests")
        folders = [each for each in requests if each["operation"] == "FindItem"]
        assert all(each["restricted"] for each in folders)
