"""Groups become roles, whoever tells them: a provider's token, its API, or a proxy."""

from collections.abc import Collection

from kalender.config.web import GroupRoles
from kalender.web.page import WebRole


def role_of(groups: Collection[str], settings: GroupRoles) -> WebRole | None:
    """Return the strongest role of these groups; None where none of them has any."""
    for role, names in (
        (WebRole.OPERATOR, settings.operator_groups),
        (WebRole.HELPDESK, settings.helpdesk_groups),
        (WebRole.STATUS, settings.status_groups),
    ):
        if not set(names).isdisjoint(groups):
            return role
    return None
