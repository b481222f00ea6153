"""Puts the pages together as one ASGI application, and guards the way to each of them.

Every request passes here: its Host is checked, then its session, its role, how many pages one name
asked for, for a form its token, and for a look-up how many there were. Only then is a page's
function called. What is not a page is 401 as well, as long as there is no session: nobody learns
which addresses there are.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import parse_qsl, urlencode

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalender.domain.render import Language
from kalender.errors import KalenderError, NeighbourUnavailable
from kalender.store.database import DENIED, sqlstate
from kalender.web import account, changes, course, operations, person, person_wishes, status
from kalender.web.page import (
    Page,
    PageError,
    PageRequest,
    Redirect,
    Session,
    ShownPage,
    Site,
    WebRole,
)
from kalender.web.proxy import Proxy
from kalender.web.rendering import Templates
from kalender.web.sessions import LookUpLimit, OneTimeToken, PageLimit, Sessions
from kalender.web.sign_in import FLOW_SECONDS, NotSignedIn, SignIn
from kalender.web.words import language_of, say

log = structlog.get_logger(__name__)
PAGES: Sequence[Page] = (
    *status.PAGES,
    *person.PAGES,
    *person_wishes.PAGES,
    *course.PAGES,
    *changes.PAGES,
    *operations.PAGES,
    *account.PAGES,
)
ENTER = "/enter"
SIGN_IN, CALLBACK = "/sign-in", "/sign-in/callback"
STYLES = "/static"
LARGEST_FORM = 64 * 1024  # bytes
LANGUAGE_COOKIE = "kalender_language"
A_YEAR = 365 * 86_400
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How people come in.

    `hosts` are the values of the Host header that are answered. `token` begins a session for
    `operator`; with a `sign_in` whoever asks for a page without a session is sent there; a `proxy`
    says with every request who asks. `secure` says that people reach the pages over HTTPS, so that
    cookies say so too. `page_limit` says how many pages are answered.
    """

    hosts: frozenset[str]
    sessions: Sessions
    token: OneTimeToken | None
    operator: str
    secure: bool = False
    sign_in: SignIn | None = None
    proxy: Proxy | None = None
    page_limit: PageLimit = field(default_factory=PageLimit)

    @property
    def flow_cookie(self) -> str:
        """The name of the cookie that lasts while somebody is at the provider."""
        return f"{self.cookie}_sign_in"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; a browser keeps `__Host-` from other hosts."""
        return "__Host-kalender" if self.secure else "kalender_session"


def make_site(site: Site, entrance: Entrance) -> ASGIApp:
    """Return the application that serves all pages."""
    application = Guard(site, entrance).application()
    application.router.redirect_slashes = False  # which would tell that there is a page
    return Doorway(application, entrance.hosts)


class Guard:
    """Stands before every page."""

    def __init__(self, site: Site, entrance: Entrance) -> None:
        self._site, self._entrance = site, entrance
        self._look_up_limit = LookUpLimit()
        self._templates = Templates(PAGES, entrance.sessions, site.app.zone)

    def application(self) -> Starlette:
        """Return the routes with what answers where none fits."""
        routes = [Route(page.path, self._answering(page), methods=[page.method]) for page in PAGES]
        return Starlette(
            routes=[
                *routes,
                Route(ENTER, self._enter, methods=["GET"]),
                Route(SIGN_IN, self._begin_sign_in, methods=["GET"]),
                Route(CALLBACK, self._finish_sign_in, methods=["GET"]),
                Mount(STYLES, StaticFiles(packages=[("kalender.web", "static")])),
            ],
            exception_handlers={
                HTTPException: self._say_http_error,
                PageError: self._say_page_error,
                KalenderError: self._say_our_error,
                Exception: self._say_our_error,
            },
        )

    # -- one request ------------------------------------------------------------------------------

    def _answering(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            began = monotonic()
            session = self._require(request, page.role)
            if not self._entrance.page_limit.allows(session.who):
                return self._say_too_fast(request)
            form = await _form_of(request) if page.method == "POST" else {}
            if page.method == "POST" and not self._entrance.sessions.is_form_token(
                session, form.pop("csrf", "")
            ):
                raise PageError(403, "error.form")
            if page.limited and not self._look_up_limit.allows(session.who):
                raise PageError(429, "error.too_many")
            page_request = PageRequest(
                site=self._site,
                session=session,
                language=self._language(request),
                path={name: str(value) for name, value in request.path_params.items()},
                query=dict(request.query_params),
                form=form,
            )
            response = await run_in_threadpool(self._respond, page, page_request, request.url.path)
            self._keep_begun(request, response)
            seconds = round(monotonic() - began, 3)
            log.info("page", page=page.name, status=response.status_code, seconds=seconds)
            return response

        return answer

    def _respond(self, page: Page, page_request: PageRequest, path: str) -> Response:
        answer = page.answer(page_request)
        if isinstance(answer, Redirect):
            response: Response = RedirectResponse(answer.path, 303)
            if answer.language is not None:
                self._keep(response, LANGUAGE_COOKIE, answer.language, seconds=A_YEAR)
            return response
        if answer.ends_session:
            self._entrance.sessions.end(page_request.session)
            response = self._page(answer, page_request.language, None)
            response.delete_cookie(self._entrance.cookie, secure=self._entrance.secure)
            return response
        return self._page(
            answer, page_request.language, page_request.session, page=page.name, path=path
        )

    def _require(self, request: Request, role: WebRole) -> Session:
        """Return who asks; PageError where nobody is known, or their role does not suffice."""
        session = self._session(request)
        if session is None:
            raise PageError(401, "error.no_session")
        if session.role < role:
            raise PageError(403, "error.role")
        return session

    def _session(self, request: Request) -> Session | None:
        """Return the session of a request; PageError where a proxy does not say who it is.

        A proxy is asked with every request: a session that it does not confirm, in name and role, is
        none, and another one begins.
        """
        entrance = self._entrance
        session = entrance.sessions.of(request.cookies.get(entrance.cookie))
        if entrance.proxy is None:
            return session
        who, role = entrance.proxy.signed_in(request.headers.raw)
        if session is None or (session.who, session.role) != (who, role):
            if not hasattr(request.state, "begun"):
                request.state.begun = entrance.sessions.begin(who, role)
                log.info("session_begun", role=role.name.lower())
            session, _ = request.state.begun
        return session

    def _keep_begun(self, request: Request, response: Response) -> None:
        """Have a browser keep the session that began with this request."""
        if hasattr(request.state, "begun"):
            _, cookie = request.state.begun
            self._keep(response, self._entrance.cookie, cookie)

    def _language(self, request: Request) -> Language:
        accepted = request.headers.get("accept-language", "")
        institution = self._site.app.config.institution
        return language_of(request.cookies.get(LANGUAGE_COOKIE), accepted, institution.language)

    async def _enter(self, request: Request) -> Response:
        """Give a session for the one-time token.

        A page, and not a redirect: a browser sends a strict cookie only from one page of ours to
        the next.
        """
        token = self._entrance.token
        if token is None or not token.use(request.query_params.get("token", "")):
            raise PageError(401, "error.no_session")
        _, cookie = self._entrance.sessions.begin(self._entrance.operator, WebRole.OPERATOR)
        response = self._page(
            ShownPage(template="enter.html", values={"target": "/"}), self._language(request), None
        )
        self._keep(response, self._entrance.cookie, cookie)
        log.info("session_begun")
        return response

    async def _begin_sign_in(self, request: Request) -> Response:
        sign_in = self._entrance.sign_in
        if sign_in is None:
            raise PageError(401, "error.no_session")
        path = request.query_params.get("to", "/")
        begun = await run_in_threadpool(sign_in.begin, path)
        response = RedirectResponse(begun.location, 303, headers={"cache-control": "no-store"})
        response.set_cookie(
            self._entrance.flow_cookie,
            begun.cookie,
            max_age=FLOW_SECONDS,
            httponly=True,
            samesite="lax",  # it must come along when the provider sends the browser back
            secure=self._entrance.secure,
        )
        return response

    async def _finish_sign_in(self, request: Request) -> Response:
        """Give a session to whoever the provider vouches for; a page, as in `_enter`."""
        entrance = self._entrance
        if entrance.sign_in is None:
            raise PageError(401, "error.no_session")
        cookie = request.cookies.get(entrance.flow_cookie)
        signed_in = await run_in_threadpool(
            entrance.sign_in.finish, dict(request.query_params), cookie
        )
        _, session_cookie = entrance.sessions.begin(signed_in.who, signed_in.role)
        shown = ShownPage(template="enter.html", values={"target": signed_in.path})
        response = self._page(shown, self._language(request), None)
        self._keep(response, entrance.cookie, session_cookie)
        response.delete_cookie(entrance.flow_cookie, secure=entrance.secure, httponly=True)
        log.info("session_begun", role=signed_in.role.name.lower())
        return response

    # -- what is sent -----------------------------------------------------------------------------

    def _page(
        self,
        shown: ShownPage,
        language: Language,
        session: Session | None,
        *,
        page: str = "",
        path: str = "/",
    ) -> Response:
        text = self._templates.render(shown, language, session, page=page, path=path)
        return Response(
            text,
            shown.status,
            headers={"cache-control": "no-store", "content-language": language},
            media_type="text/html",
        )

    def _keep(
        self, response: Response, name: str, value: str, *, seconds: int | None = None
    ) -> None:
        secure = self._entrance.secure
        response.set_cookie(
            name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure
        )

    # -- errors -----------------------------------------------------------------------------------

    def _say_too_fast(self, request: Request) -> Response:
        """Say that too many pages were asked for: in one line, and once a minute in the log.

        A page, or a line of the log for each, would cost what the limit is there to save.
        """
        if refusals := self._entrance.page_limit.refusals_to_tell():
            log.warning("pages_refused", status=429, pages=refusals)
        language = self._language(request)
        headers = {"retry-after": "1", "content-language": language}
        response = PlainTextResponse(say(language, "error.too_fast"), 429, headers)
        self._keep_begun(request, response)
        return response

    def _error(self, request: Request, status_code: int, words: str) -> Response:
        try:
            session = self._session(request)
        except PageError:
            session = None
        shown = ShownPage(template="error.html", values={"words": words}, status=status_code)
        response = self._page(shown, self._language(request), session)
        self._keep_begun(request, response)
        return response

    def _say_page_error(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, PageError):
            raise error
        log.info("page_refused", status=error.status, because=error.because)
        signs_in = self._entrance.sign_in is not None and request.method == "GET"
        if signs_in and error.words == "error.no_session":
            to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            location = f"{SIGN_IN}?{urlencode({'to': to})}"
            return RedirectResponse(location, 303, headers={"cache-control": "no-store"})
        response = self._error(request, error.status, error.words)
        if isinstance(error, NotSignedIn):  # what was begun can not be finished any more
            response.delete_cookie(
                self._entrance.flow_cookie, secure=self._entrance.secure, httponly=True
            )
        return response

    def _say_http_error(self, request: Request, error: Exception) -> Response:
        """Say that there is no such page, but only to whoever has a session."""
        try:
            self._require(request, WebRole.STATUS)
        except PageError as refused:
            return self._say_page_error(request, refused)
        status_code = error.status_code if isinstance(error, HTTPException) else 404
        words = "error.method" if status_code == 405 else "error.not_found"  # noqa: PLR2004
        return self._error(request, status_code, words)

    def _say_our_error(self, request: Request, error: Exception) -> Response:
        if isinstance(error, NeighbourUnavailable):
            log.warning("page_without_database", because=str(error))  # which tells of no row
            is_denied = sqlstate(error.__cause__) == DENIED
            return self._error(request, 503, "error.grant" if is_denied else "error.database")
        log.error("page_failed", error=type(error).__name__)
        return self._error(request, 500, "error.ours")


async def _form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form; PageError where it is too large or no form."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise PageError(413, "error.too_large")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise PageError(400, "error.form") from None


class Doorway:
    """Refuses a strange Host, before anything else is looked at, and gives all answers our headers."""

    def __init__(self, application: ASGIApp, hosts: frozenset[str]) -> None:
        self._application, self._hosts = application, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        hosts = [
            value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"
        ]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            log.info("page_refused", status=400, because="host")
            refusal = PlainTextResponse("This address is not the one that was started.\n", 400)
            await refusal(scope, receive, send_with_headers)
            return
        await self._application(scope, receive, send_with_headers)
