"""Microsoft Graph as a whole: its calendar service, who may ask, and how much."""

import random

from kalender.sandbox.graph.limits import Limits
from kalender.sandbox.graph.login import Login
from kalender.sandbox.graph.service import Service
from kalender.sandbox.mailboxes import Exchange


class Cloud:
    """What the desks of Graph and of the login share; `graph` and `login` are their base URLs."""

    def __init__(self, exchange: Exchange, graph: str, login: str) -> None:
        self.service = Service(exchange, graph)
        self.settings = self.service.settings
        self.limits = Limits(self.settings)
        self.login = Login(login, self.settings)
        self.shuffle = random.Random(1)  # noqa: S311 - the order of answers, the same each time
