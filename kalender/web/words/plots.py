"""The words around the plots of the last day."""

from typing import Final

WORDS: Final = {
    "plot.title": ("Det siste døgnet", "Det siste døgnet", "The last day"),
    "plot.unrecorded": (
        "Ingen arbeidsprosess har notert noe det siste døgnet.",
        "Ingen arbeidsprosess har notert noko det siste døgnet.",
        "No worker recorded anything within the last day.",
    ),
    "plot.gaps": (
        "I {minutes} minutter noterte ingen noe; de er grå i diagrammene.",
        "I {minutes} minutt noterte ingen noko; dei er grå i diagramma.",
        "Nobody recorded anything for {minutes} minutes; they are grey in the plots.",
    ),
    "plot.group.live": ("Endringer", "Endringar", "Live changes"),
    "plot.group.fill": ("Førstegangsfylling", "Førstegongsfylling", "First fill"),
    "plot.group.resync": (
        "Ny lesing og kontroll",
        "Ny lesing og kontroll",
        "Resync and verification",
    ),
    "plot.nothing": (
        "Ingenting ble gjort, og ingenting ventet.",
        "Ingenting vart gjort, og ingenting venta.",
        "Nothing was done, and nothing waited.",
    ),
    "plot.figure.notifications": (
        "Varsler inn, per ti minutter",
        "Varsel inn, per ti minutt",
        "Notifications in, each ten minutes",
    ),
    "plot.figure.written": (
        "Kalendere skrevet, per ti minutter",
        "Kalendrar skrivne, per ti minutt",
        "Calendars written, each ten minutes",
    ),
    "plot.figure.oldest_seconds": (
        "Det eldste arbeidet har ventet",
        "Det eldste arbeidet har venta",
        "The oldest work has waited",
    ),
    "plot.figure.latency": (
        "Fra varsel til kalender",
        "Frå varsel til kalender",
        "From notification to calendar",
    ),
    "plot.series.p50": ("median", "median", "median"),
    "plot.series.p95": ("95-prosentil", "95-prosentil", "95th percentile"),
    "plot.most": ("høyest", "høgast", "at most"),
    "plot.last": ("sist", "sist", "last"),
    "plot.none": ("ingen", "ingen", "none"),
    "plot.hours": ("t", "t", "h"),
}
