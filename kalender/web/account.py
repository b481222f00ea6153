"""What belongs to whoever looks: the language they read, and signing out."""

from kalender.operate.sentence import LANGUAGES
from kalender.web.page import Answer, Page, PageError, Redirect, Role, Shown, Visit, own_path


def choose_language(visit: Visit) -> Answer:
    """Keep the language, and go back to the page where it was chosen."""
    language = next((code for code in LANGUAGES if code == visit.form.get("language")), None)
    if language is None:
        raise PageError(400, "error.form")
    back = visit.form.get("back", "")
    return Redirect(path=back if own_path(back) else "/", language=language)


def sign_out(_visit: Visit) -> Answer:
    """End the session."""
    return Shown(template="left.html", ends_session=True)


PAGES = (
    Page("/language", "language", Role.STATUS, choose_language, method="POST"),
    Page("/sign-out", "sign_out", Role.STATUS, sign_out, method="POST"),
)
