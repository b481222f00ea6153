"""What is said of each condition of the verdict, in Bokmål, Nynorsk and English.

A key is the kind of a condition, or that and a case; `.remedy` ends the key of what helps, and
`.one` that of what is said of a single thing. Commands are the same in every language.
"""

from collections.abc import Mapping
from typing import Final

from kalender.store import own_database

WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    # -- parts of several sentences
    "command": ("{command}",) * 3,
    "check": ("kalender check",) * 3,
    "log": (
        "loggen sier hvorfor; start på nytt",
        "loggen seier kvifor; start på nytt",
        "its log says why; start it anew",
    ),
    # -- stuck
    "database-in-doubt": (
        "arbeidsprosessene avviser denne databasen: den er satt tilbake, eller den er en annen",
        "arbeidsprosessane avviser denne databasen: han er sett tilbake, eller han er ein annan",
        "workers refuse this database: it was put back, or it is another",
    ),
    "database-in-doubt.remedy": (
        (
            "kalender recover --since TIDSPUNKT etter en gjenopprettet sikkerhetskopi "
            "(tidspunktet den ble tatt)"
        ),
        (
            "kalender recover --since TIDSPUNKT etter ein gjenoppretta tryggingskopi "
            "(tidspunktet han vart teken)"
        ),
        own_database.RECOVER,
    ),
    "no-worker": (
        "arbeid skulle vært gjort, og ingen arbeidsprosess lever",
        "arbeid skulle vore gjort, og ingen arbeidsprosess lever",
        "work is due, and no worker lives",
    ),
    "no-worker.remedy": (
        "start en arbeidsprosess; loggen sier hvorfor den siste sluttet",
        "start ein arbeidsprosess; loggen seier kvifor den siste slutta",
        "start a worker; its log says why the last one ended",
    ),
    "paused": (
        "{name} er satt på pause for hånd: {reason} ({who})",
        "{name} er sett på pause for hand: {reason} ({who})",
        "{name} is paused by hand: {reason} ({who})",
    ),
    "paused.until": (
        "{name} er satt på pause for hånd til {until}: {reason} ({who})",
        "{name} er sett på pause for hand til {until}: {reason} ({who})",
        "{name} is paused by hand until {until}: {reason} ({who})",
    ),
    "paused.bulk": ("massearbeid", "massearbeid", "bulk work"),
    "paused.moves": (
        "å følge flyttede postbokser",
        "å følgje flytte postboksar",
        "following moved mailboxes",
    ),
    "paused.bulk.remedy": ("kalender resume bulk",) * 3,
    "paused.moves.remedy": (
        "kalender move status, så kalender move resume",
        "kalender move status, så kalender move resume",
        "kalender move status, then kalender move resume",
    ),
    "refuses": (
        (
            "{name} avviser legitimasjonen vår; den spørres høyst tre ganger på en halvtime, "
            "med ny legitimasjon straks"
        ),
        (
            "{name} avviser legitimasjonen vår; han blir spurd høgst tre gonger på ein halvtime, "
            "med ny legitimasjon straks"
        ),
        (
            "{name} refuses our credentials; asked at most three times in half an hour, "
            "changed ones at once"
        ),
    ),
    "away": (
        "{name} får en pause: {error}",
        "{name} får ein pause: {error}",
        "{name} is paused: {error}",
    ),
    "all-fails-alike": (
        "alt som venter, feiler likt, {count} arbeidsstykker: {error}",
        "alt som ventar, feilar likt, {count} arbeidsstykke: {error}",
        "all that waits fails alike, {count} pieces of work: {error}",
    ),
    "no-listener": (
        "ingen lytter lever: varsler venter i køene sine",
        "ingen lyttar lever: varsel ventar i køane sine",
        "no listener lives: notifications wait in their queues",
    ),
    "no-listener.remedy": (
        "start en lytter; loggen sier hvorfor den siste sluttet",
        "start ein lyttar; loggen seier kvifor den siste slutta",
        "start a listener; its log says why the last one ended",
    ),
    "broker-away": (
        "meldingstjeneren er borte: ingen varsler leses",
        "meldingstenaren er borte: ingen varsel blir lesne",
        "the broker is away: no notification is read",
    ),
    "broker-away.remedy": (
        "kalender check; en lytter kobler seg til igjen av seg selv",
        "kalender check; ein lyttar koplar seg til att av seg sjølv",
        "kalender check; a listener connects again by itself",
    ),
    "queue-missing": (
        "køen {queue} mangler, eller er ikke for oss",
        "køen {queue} manglar, eller er ikkje for oss",
        "queue {queue} is missing, or not for us",
    ),
    "queue-missing.remedy": (
        "få den laget, eller rett [broker] queues; så kalender resync --all",
        "få han laga, eller rett [broker] queues; så kalender resync --all",
        "have it made, or mend [broker] queues; then kalender resync --all",
    ),
    # -- held
    "brake": (
        "en brems holder slettinger tilbake: {scopes}",
        "ei brems held slettingar tilbake: {scopes}",
        "a brake holds deletes back: {scopes}",
    ),
    "brake.more": (
        "en brems holder slettinger tilbake: {scopes} og {more} til",
        "ei brems held slettingar tilbake: {scopes} og {more} til",
        "a brake holds deletes back: {scopes} and {more} more",
    ),
    "brake.remedy": ("kalender brake show",) * 3,
    "moves-wait": (
        (
            "{count} flyttede kalendere viser under halvparten av oppføringene som kommer: "
            "ingenting blir konkludert, og en operatør avgjør"
        ),
        (
            "{count} flytte kalendrar viser under halvparten av oppføringane som kjem: "
            "ingenting blir konkludert, og ein operatør avgjer"
        ),
        (
            "{count} moved calendars show fewer than half of the entries that are to come: "
            "nothing is concluded, and an operator decides"
        ),
    ),
    "moves-wait.one": (
        (
            "{count} flyttet kalender viser under halvparten av oppføringene som kommer: "
            "ingenting blir konkludert, og en operatør avgjør"
        ),
        (
            "{count} flytt kalender viser under halvparten av oppføringane som kjem: "
            "ingenting blir konkludert, og ein operatør avgjer"
        ),
        (
            "{count} moved calendar shows fewer than half of the entries that are to come: "
            "nothing is concluded, and an operator decides"
        ),
    ),
    "moves-wait.remedy": (
        "kalender move status sier hvilke; kalender move accept eller wait PERSON",
        "kalender move status seier kva for nokre; kalender move accept eller wait PERSON",
        "kalender move status says which; kalender move accept or wait PERSON",
    ),
    "takeover-stopped": (
        (
            "{count} av en forgjengers kalendere skrives det ikke til: overtakelsen stoppet, "
            "og en operatør avgjør"
        ),
        (
            "{count} av kalendrane til ein forgjengar blir det ikkje skrive til: overtakinga "
            "stoppa, og ein operatør avgjer"
        ),
        (
            "{count} calendars of a predecessor are not written to: its takeover stopped, and an "
            "operator decides"
        ),
    ),
    "takeover-stopped.one": (
        (
            "{count} av en forgjengers kalendere skrives det ikke til: overtakelsen stoppet, "
            "og en operatør avgjør"
        ),
        (
            "{count} av kalendrane til ein forgjengar blir det ikkje skrive til: overtakinga "
            "stoppa, og ein operatør avgjer"
        ),
        (
            "{count} calendar of a predecessor is not written to: its takeover stopped, and an "
            "operator decides"
        ),
    ),
    "takeover-stopped.remedy": (
        "kalender takeover status sier hvilke, og hvorfor",
        "kalender takeover status seier kva for nokre, og kvifor",
        "kalender takeover status says which and why",
    ),
    "rollout-paused": (
        "plan {plan} for utrullingen er satt på pause: {reason}",
        "plan {plan} for utrullinga er sett på pause: {reason}",
        "plan {plan} of the roll-out is paused: {reason}",
    ),
    "rollout-paused.more": (
        "plan {plan} for utrullingen er satt på pause: {reason}, og {count} andre planer",
        "plan {plan} for utrullinga er sett på pause: {reason}, og {count} andre planar",
        "plan {plan} of the roll-out is paused: {reason}, and {count} other plans",
    ),
    "rollout-paused.more.one": (
        "plan {plan} for utrullingen er satt på pause: {reason}, og {count} annen plan",
        "plan {plan} for utrullinga er sett på pause: {reason}, og {count} annan plan",
        "plan {plan} of the roll-out is paused: {reason}, and {count} other plan",
    ),
    "rollout-paused.remedy": (
        "kalender rollout status, så kalender rollout resume {plan}",
        "kalender rollout status, så kalender rollout resume {plan}",
        "kalender rollout status, then kalender rollout resume {plan}",
    ),
    "settings-rewrite": (
        "endrede innstillinger venter på et ja: {count} kalendere skal skrives om",
        "endra innstillingar ventar på eit ja: {count} kalendrar skal skrivast om",
        "changed settings wait for a yes: {count} calendars are to be rewritten",
    ),
    "settings-move": (
        "endrede innstillinger venter på et ja: {count} kalendere skal skrives på en annen adresse",
        "endra innstillingar ventar på eit ja: {count} kalendrar skal skrivast på ei anna adresse",
        "changed settings wait for a yes: {count} calendars are to be written at another address",
    ),
    "settings-leave": (
        "endrede innstillinger venter på et ja: {count} kalendere går ut av utrullingen",
        "endra innstillingar ventar på eit ja: {count} kalendrar går ut av utrullinga",
        "changed settings wait for a yes: {count} calendars leave the roll-out",
    ),
    "settings-rewrite.remedy": ("kalender resync --all --yes",) * 3,
    "settings-move.remedy": ("kalender resync --all --yes",) * 3,
    "settings-leave.remedy": (
        "kalender resync --all med --take-back --yes eller --leave",
        "kalender resync --all med --take-back --yes eller --leave",
        "kalender resync --all with --take-back --yes or --leave",
    ),
    # -- incomplete
    "list-unread": (
        "listen {name} kunne ikke leses: {problem}",
        "lista {name} kunne ikkje lesast: {problem}",
        "list {name} could not be read: {problem}",
    ),
    "list-unread.never": (
        "listen {name} er aldri lest",
        "lista {name} er aldri lesen",
        "list {name} was never read",
    ),
    "list-unread.remedy": (
        "rett filen eller innstillingene til listen, så kalender optout sync",
        "rett fila eller innstillingane til lista, så kalender optout sync",
        "mend its file or its settings, then kalender optout sync",
    ),
    "never-written": (
        "{count} kalendere i utrullingen er aldri skrevet, og ingenting venter for å skrive dem",
        "{count} kalendrar i utrullinga er aldri skrivne, og ingenting ventar for å skrive dei",
        (
            "{count} calendars inside the roll-out were never written, and nothing waits to "
            "write them"
        ),
    ),
    "never-written.one": (
        "{count} kalender i utrullingen er aldri skrevet, og ingenting venter for å skrive den",
        "{count} kalender i utrullinga er aldri skriven, og ingenting ventar for å skrive han",
        "{count} calendar inside the roll-out was never written, and nothing waits to write it",
    ),
    "never-written.remedy": ("kalender resync --all --yes",) * 3,
    "address-closed": (
        "{count} kalendere har en adresse utenfor [institution] mail_domains, og skrives aldri",
        "{count} kalendrar har ei adresse utanfor [institution] mail_domains, og blir aldri skrivne",
        (
            "{count} calendars have an address outside [institution] mail_domains, and are never "
            "written"
        ),
    ),
    "address-closed.one": (
        "{count} kalender har en adresse utenfor [institution] mail_domains, og skrives aldri",
        "{count} kalender har ei adresse utanfor [institution] mail_domains, og blir aldri skriven",
        "{count} calendar has an address outside [institution] mail_domains, and is never written",
    ),
    "address-closed.remedy": (
        "rett mail_domains eller adressen i FS, så kalender resync --all",
        "rett mail_domains eller adressa i FS, så kalender resync --all",
        "mend mail_domains or the address in FS, then kalender resync --all",
    ),
    "address-clash": (
        "{count} kalendere venter, siden en annen person har samme adresse",
        "{count} kalendrar ventar, sidan ein annan person har same adresse",
        "{count} calendars wait, since another person has the same address",
    ),
    "address-clash.one": (
        "{count} kalender venter, siden en annen person har samme adresse",
        "{count} kalender ventar, sidan ein annan person har same adresse",
        "{count} calendar waits, since another person has the same address",
    ),
    "address-clash.remedy": (
        "kalender why PERSON EMNE; de som steller FS, retter adressen",
        "kalender why PERSON EMNE; dei som steller FS, rettar adressa",
        "kalender why PERSON COURSE; FS' people mend the address",
    ),
    "no-mailbox": (
        "{count} kalendere har ingen postboks i Exchange",
        "{count} kalendrar har ingen postboks i Exchange",
        "{count} calendars have no mailbox in Exchange",
    ),
    "no-mailbox.one": (
        "{count} kalender har ingen postboks i Exchange",
        "{count} kalender har ingen postboks i Exchange",
        "{count} calendar has no mailbox in Exchange",
    ),
    "no-mailbox.remedy": (
        "de som steller Exchange, lager den; den letes etter igjen av seg selv",
        "dei som steller Exchange, lagar han; han blir leita etter att av seg sjølv",
        "Exchange's people make it; it is looked for again by itself",
    ),
    "mailbox-denied": (
        "{count} kalendere har en postboks som tilgangen vår ikke dekker (ennå)",
        "{count} kalendrar har ein postboks som tilgangen vår ikkje dekkjer (enno)",
        ("{count} calendars have a mailbox that our application's scope does not cover (yet)"),
    ),
    "mailbox-denied.one": (
        "{count} kalender har en postboks som tilgangen vår ikke dekker (ennå)",
        "{count} kalender har ein postboks som tilgangen vår ikkje dekkjer (enno)",
        "{count} calendar has a mailbox that our application's scope does not cover (yet)",
    ),
    "mailbox-denied.remedy": (
        (
            "de som steller Exchange, utvider tilgangen, som tar timer før det gjelder; "
            "det spørres igjen av seg selv"
        ),
        (
            "dei som steller Exchange, utvidar tilgangen, som tek timar før det gjeld; "
            "det blir spurt att av seg sjølv"
        ),
        "Exchange's people widen the scope, which takes hours to hold; asked again by itself",
    ),
    "parked": (
        "{count} arbeidsstykker er lagt til side",
        "{count} arbeidsstykke er lagde til side",
        "{count} pieces of work are laid aside",
    ),
    "parked.one": (
        "{count} arbeidsstykke er lagt til side",
        "{count} arbeidsstykke er lagt til side",
        "{count} piece of work is laid aside",
    ),
    "parked.remedy": (
        "kalender parked, så kalender retry --all",
        "kalender parked, så kalender retry --all",
        "kalender parked, then kalender retry --all",
    ),
    "refused-entries": (
        "{count} oppføringer tar Exchange aldri imot",
        "{count} oppføringar tek Exchange aldri imot",
        "{count} entries are never taken by Exchange",
    ),
    "refused-entries.one": (
        "{count} oppføring tar Exchange aldri imot",
        "{count} oppføring tek Exchange aldri imot",
        "{count} entry is never taken by Exchange",
    ),
    "refused-entries.remedy": (
        "kalender show PERSON sier hvilke; tekstene til hendelsen i TP må rettes",
        "kalender show PERSON seier kva for nokre; tekstane til hendinga i TP må rettast",
        "kalender show PERSON says which; the texts of the event in TP are to be mended",
    ),
    "unreadable-events": (
        "{count} hendelser i {courses} kunne ikke leses, og står i ingen kalender",
        "{count} hendingar i {courses} kunne ikkje lesast, og står i ingen kalender",
        "{count} events of {courses} could not be read and are in no calendar",
    ),
    "unreadable-events.one": (
        "{count} hendelse i {courses} kunne ikke leses, og står i ingen kalender",
        "{count} hending i {courses} kunne ikkje lesast, og står i ingen kalender",
        "{count} event of {courses} could not be read and is in no calendar",
    ),
    "courses": ("{count} emner", "{count} emne", "{count} courses"),
    "courses.one": ("{count} emne", "{count} emne", "{count} course"),
    "unreadable-events.remedy": (
        "kalender show --course EMNE; de som steller TP, retter dem",
        "kalender show --course EMNE; dei som steller TP, rettar dei",
        "kalender show --course COURSE; TP's people mend them",
    ),
    "unreadable-items": (
        "{count} ting fra FS ({names}) kunne ikke leses",
        "{count} ting frå FS ({names}) kunne ikkje lesast",
        "{count} items of FS ({names}) could not be read",
    ),
    "unreadable-items.one": (
        "{count} ting fra FS ({names}) kunne ikke leses",
        "{count} ting frå FS ({names}) kunne ikkje lesast",
        "{count} item of FS ({names}) could not be read",
    ),
    "unreadable-items.remedy": (
        "kalender check navngir dem; de som steller FS, retter dem",
        "kalender check namngjev dei; dei som steller FS, rettar dei",
        "kalender check names them; FS' people mend them",
    ),
    # -- behind, and filling
    "recovering": (
        (
            "etter en gjenoppretting skrives ingenting før {until}, siden forespørsler fra før den "
            "fortsatt kan komme fram; så blir hver kalender gått gjennom"
        ),
        (
            "etter ei gjenoppretting blir ingenting skrive før {until}, sidan førespurnader frå før "
            "ho framleis kan kome fram; så blir kvar kalender gådd gjennom"
        ),
        (
            "after a recovery nothing is written before {until}, since requests from before it may "
            "still arrive; then every calendar is looked up"
        ),
    ),
    "filling": (
        "fyller, {written} av {calendars} kalendere er skrevet, {end}",
        "fyller, {written} av {calendars} kalendrar er skrivne, {end}",
        "filling, {written} of {calendars} calendars are written, {end}",
    ),
    "end.at": ("ferdig omtrent {at}", "ferdig omtrent {at}", "done about {at}"),
    "end.now": (
        "ingenting av det skal gjøres nå",
        "ingenting av det skal gjerast no",
        "none of it is due now",
    ),
    "end.unseen": (
        "uten noen slutt i sikte: ingenting av det slaget er gjort ferdig i det siste",
        "utan nokon slutt i sikte: ingenting av det slaget er gjort ferdig i det siste",
        "with no end in sight: nothing of that kind was finished lately",
    ),
    "late-live": (
        "{count} endringer skulle vært behandlet, {end}",
        "{count} endringar skulle vore behandla, {end}",
        "{count} pieces of live work are due, {end}",
    ),
    "late-bulk": (
        "{count} stykker massearbeid skulle vært gjort, {end}",
        "{count} stykke massearbeid skulle vore gjorde, {end}",
        "{count} pieces of bulk work are due, {end}",
    ),
    "late.remedy": (
        "kalender parked; flere arbeidsprosesser, hvis det varer",
        "kalender parked; fleire arbeidsprosessar, om det varer",
        "kalender parked; more workers, if it lasts",
    ),
    "reading-overdue": (
        "FS og TP skal leses i sin helhet hver {hours}. time, og ble sist lest {at}",
        "FS og TP skal lesast i sin heilskap kvar {hours}. time, og vart sist lesne {at}",
        "FS and TP should be read whole every {hours} hours, and were last at {at}",
    ),
    "reading-overdue.never": (
        "FS og TP skal leses i sin helhet hver {hours}. time, og er aldri lest ennå",
        "FS og TP skal lesast i sin heilskap kvar {hours}. time, og er aldri lesne enno",
        "FS and TP should be read whole every {hours} hours, and were never yet",
    ),
    "reading-overdue.remedy": (
        "kalender resync --all, og se på tidsuret for den",
        "kalender resync --all, og sjå på tidsuret for han",
        "kalender resync --all, and look at its timer",
    ),
    "courses-overdue": (
        "TP er ikke spurt om {courses} på {hours} timer",
        "TP er ikkje spurd om {courses} på {hours} timar",
        "TP was not asked for {courses} within {hours} hours",
    ),
    "courses-overdue.remedy": (
        "kalender status, kalender parked: hva som venter, og hvorfor",
        "kalender status, kalender parked: kva som ventar, og kvifor",
        "kalender status, kalender parked: what waits, and why",
    ),
    # -- warnings
    "worker-died": (
        "{count} arbeidsprosesser sluttet uten å si fra, og ingenting har erstattet dem",
        "{count} arbeidsprosessar slutta utan å seie frå, og ingenting har erstatta dei",
        "{count} worker processes ended without saying so, and nothing replaced them",
    ),
    "worker-died.one": (
        "{count} arbeidsprosess sluttet uten å si fra, og ingenting har erstattet den",
        "{count} arbeidsprosess slutta utan å seie frå, og ingenting har erstatta han",
        "{count} worker process ended without saying so, and nothing replaced it",
    ),
    "listener-died": (
        "{count} lyttere sluttet uten å si fra, og ingenting har erstattet dem",
        "{count} lyttarar slutta utan å seie frå, og ingenting har erstatta dei",
        "{count} listener processes ended without saying so, and nothing replaced them",
    ),
    "listener-died.one": (
        "{count} lytter sluttet uten å si fra, og ingenting har erstattet den",
        "{count} lyttar slutta utan å seie frå, og ingenting har erstatta han",
        "{count} listener process ended without saying so, and nothing replaced it",
    ),
    "certificate-ends": (
        "sertifikatet til {name} går ut {at}",
        "sertifikatet til {name} går ut {at}",
        "certificate {name} ends at {at}",
    ),
    "certificate-ended": (
        "sertifikatet til {name} gikk ut {at}",
        "sertifikatet til {name} gjekk ut {at}",
        "certificate {name} ended at {at}",
    ),
    "certificate-ends.remedy": ("få det fornyet", "få det fornya", "have it renewed"),
    "secret-ends": (
        "hemmeligheten {name} går ut {at}",
        "løyndomen {name} går ut {at}",
        "secret {name} ends at {at}",
    ),
    "secret-ended": (
        "hemmeligheten {name} gikk ut {at}",
        "løyndomen {name} gjekk ut {at}",
        "secret {name} ended at {at}",
    ),
    "secret-ends.remedy": (
        "få den fornyet, og rett {name}_expires",
        "få han fornya, og rett {name}_expires",
        "have it renewed, and mend {name}_expires",
    ),
    # -- all is well
    "healthy": (
        "ingenting venter for lenge",
        "ingenting ventar for lenge",
        "nothing waits too long",
    ),
    "healthy.idle": (
        "ingenting skulle vært gjort; ingen arbeidsprosess lever",
        "ingenting skulle vore gjort; ingen arbeidsprosess lever",
        "nothing is due; no worker lives",
    ),
    "healthy.known": (
        "{healthy}; {count} ting som noen vet om",
        "{healthy}; {count} ting som nokon veit om",
        "{healthy}; {count} conditions that somebody knows of",
    ),
    "healthy.known.one": (
        "{healthy}; {count} ting som noen vet om",
        "{healthy}; {count} ting som nokon veit om",
        "{healthy}; {count} condition that somebody knows of",
    ),
}
