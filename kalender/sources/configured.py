"""FS and TP as the settings name them."""

from kalender.config import Config
from kalender.sources.fs import Fs
from kalender.sources.http import Http, Limiter
from kalender.sources.tp import LeftOut, Tp


def fs(config: Config, gate: Limiter) -> Fs:
    """Return the student system; `gate` stands around each request."""
    section = config.fs
    return Fs(
        Http(
            "fs",
            section.base_url,
            api_key=section.api_key.get_secret_value() if section.api_key else None,
            username=section.username,
            password=section.password.get_secret_value() if section.password else None,
            ca_file=section.ca_file,
            timeout=section.timeout,
            connections=section.max_concurrency,
            gate=gate,
        ),
        institution=config.institution.number,
        page_size=section.page_size,
        skips=config.tp.skips,
        paths=section.paths.model_dump(),
    )


def tp(config: Config, gate: Limiter, *, on_left_out: LeftOut) -> Tp:
    """Return the timetable system; `on_left_out` hears of each item that could not be read."""
    section = config.tp
    return Tp(
        Http(
            "tp",
            section.base_url,
            api_key=section.api_key.get_secret_value(),
            ca_file=section.ca_file,
            timeout=section.timeout,
            connections=section.max_concurrency,
            gate=gate,
        ),
        institution=config.institution.number,
        zone=config.institution.time_zone,
        skip=section.skip,
        paths=section.paths.model_dump(),
        on_left_out=on_left_out,
    )
