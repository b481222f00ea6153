"""FS and TP as the settings name them."""

from kalender.config import Config
from kalender.ports import AroundRequest
from kalender.sources.fs import Fs
from kalender.sources.tp import OnLeftOut, Tp
from kalender.sources.tp_codes import skips


def fs(config: Config, limiter: AroundRequest) -> Fs:
    """Return the student system; `limiter` stands around each request."""
    return Fs(
        config.fs,
        institution=config.institution.number,
        skips=skips(config.tp.skip),
        limiter=limiter,
    )


def tp(config: Config, limiter: AroundRequest, *, on_left_out: OnLeftOut) -> Tp:
    """Return the timetable system; `on_left_out` hears of each item that could not be read."""
    return Tp(
        config.tp,
        institution=config.institution.number,
        zone=config.institution.time_zone,
        on_left_out=on_left_out,
        limiter=limiter,
    )
