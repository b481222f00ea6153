"""What belongs to whoever looks: the language they read, and signing out."""

from kalender.operate.sentence import LANGUAGES
from kalender.web.page import (
    Answer,
    Page,
    PageError,
    PageRequest,
    Redirect,
    ShownPage,
    WebRole,
    own_path,
)


def choose_language(request: PageRequest) -> Answer:
    """Keep the language, and go back to the page where it was chosen."""
    language = next((code for code in LANGUAGES if code == request.form.get("language")), None)
    if language is None:
        raise PageError(400, "error.form")
    back = request.form.get("back", "")
    return Redirect(path=back if own_path(back) else "/", language=language)


def sign_out(_request: PageRequest) -> Answer:
    """End the session."""
    return ShownPage(template="left.html", ends_session=True)


PAGES = (
    Page("/language", "language", WebRole.STATUS, choose_language, method="POST"),
    Page("/sign-out", "sign_out", WebRole.STATUS, sign_out, method="POST"),
)
