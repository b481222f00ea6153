"""Have Microsoft's own client work on the sandbox's Graph, and look at what it left there.

Exits by whether everything is as Microsoft's client says that it made it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from kalender.sandbox.generate import generate
from tests.environments import Environment
from tests.served import start

MICROSOFT = Environment(
    ".venv-judges",
    ("msgraph-sdk==1.65.0", "Deprecated==1.3.1"),  # msgraph-core imports it, and does not name it
)
MAILBOX = "st000001@uni.example"
SCRIPT = Path(__file__).with_name("msgraph_client.py")


def main() -> None:
    """Print one line for each step of the client's, and how the calendar stands at the end."""
    print("msgraph-sdk, in .venv-judges (the first time it is installed: some minutes) ...")
    python = MICROSOFT.program("python")
    with tempfile.TemporaryDirectory() as directory:
        university = Path(directory) / "university"
        generate(university, students=20)
        with start(university, graph="all") as running:
            ends = running.endpoints
            form = {
                "grant_type": "client_credentials",
                "client_id": "kalender",
                "client_secret": "kalender",
                "scope": "https://graph.microsoft.com/.default",
            }
            login = f"{ends.login}/uni.example/oauth2/v2.0/token"
            token = requests.post(login, data=form, verify=str(ends.login_ca), timeout=10).json()
            words = {"base": ends.graph, "token": token["access_token"], "mailbox": MAILBOX}
            client = subprocess.run(
                [python, SCRIPT], input=json.dumps(words), text=True, check=False, timeout=120
            )
            url = f"{ends.control}/exchange/items?mailbox={MAILBOX}"
            items = [
                (item["subject"], item["folder"])
                for item in requests.get(url, timeout=10).json()
                if item["subject"].startswith("Lunsj") and item["folder"] == "calendar"
            ]
    expected = [("Lunsj 1, endret", "calendar"), ("Lunsj 3", "calendar")]
    is_right = client.returncode == 0 and sorted(items) == expected
    print("the sandbox holds what the client says" if is_right else f"the sandbox holds {items}")
    sys.exit(not is_right)


if __name__ == "__main__":
    main()
