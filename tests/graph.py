"""The sandbox's Microsoft Graph, as the adapter's settings name it."""

from kalender.config.sections import GraphSettings
from kalender.sandbox.server import Endpoints


def graph_settings(endpoints: Endpoints, **options: object) -> GraphSettings:
    """Return the settings of a backend on the Graph of a sandbox."""
    given = {
        "tenant": "uni.example",
        "client_id": "kalender",
        "client_secret": "kalender",
        "base_url": endpoints.graph,
        "login_url": endpoints.login,
        "ca_file": endpoints.login_ca,
        "timeout": 5,
        **options,
    }
    return GraphSettings.model_validate(given)
