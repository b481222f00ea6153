"""What `kalender why` says, in Nynorsk."""

from typing import Final

from kalender.operate.answers.words import AnswerWords

NYNORSK: Final = AnswerWords(
    fine="Alt er som det skal.",
    mended_by="Kan rettast av: ",
    beside="Dette spelar inga rolle her.",
    facts={
        "student": "student",
        "teacher": "undervisar",
        "optout": "reservert",
        "listed": "på ei liste",
        "remove": "alt vårt skal fjernast",
        "search": "alt vårt skal leitast fram og fjernast",
        "forget": "sletta",
        "protect": "skjerma",
        "person": "personen",
        "course": "emnet",
    },
    causes={
        "notification": "melding om ei endring",
        "poll": "spørjing i TP",
        "resync": "gjennomgang av alt",
        "verify": "kontroll av kalenderen",
        "asked": "nokon bad om det",
        "wish": "ønske frå personen",
        "rollout": "personen vart slått på",
        "brake": "ei brems vart løyst ut",
        "recover": "gjenoppretting",
        "settings": "innstillingar",
        "time": "tidspunktet kom",
        "other": "anna",
    },
    so={
        "known": "FS kjenner personen< (nummer {number})>.",
        "known.by_tp": "TP har personen som undervisar; FS har ikkje fortalt om vedkomande.",
        "course": "{course} er eit emne som FS eller TP har fortalt om.",
        "held": "Ingenting blir halde tilbake av ei brems.",
        "asked": "FS og TP er spurde, og har svara.",
        "registered": "Er på emnet som {role}.",
        "status": "Registreringa tel< (tilbodsstatus: {status})>.",
        "published": "Timeplanen er publisert< (TP sist spurd {asked_at})>.",
        "placed": "Undervisninga gjeld personen< (grupper: {groups})>.",
        "event": "TP har undervisninga ({events}; av desse avlyste: {cancelled}).",
        "window": "Ho kjem, og er nær nok.",
        "mailbox": "Personen har ein postboks det kan skrivast til.",
        "rollout": "Personen er slått på.",
        "wish": "Ingen har bede om å få vere i fred.",
        "room": "Kalenderen har plass til ho.",
        "pending": "Ingenting står att å gjere.",
        "written": "Ho vart skriven {written_at}< (på grunn av: {cause})>.",
        "restored": "Sett tilbake {times} gonger.",
        "readable": "Alt TP har fortalt om emnet, kunne lesast.",
    },
    not_so={
        "known": (
            "FS kjenner ikkje personen.",
            "studieadministrasjonen registrerer personen i FS",
        ),
        "course": (
            (
                "Verken FS eller TP har fortalt om eit emne {course} som nokon kjend tek eller "
                "underviser i."
            ),
            (
                "den som spør, slår opp koden i FS eller TP; eit nytt emne kjem med den første "
                "studenten eller undervisaren"
            ),
        ),
        "course.skipped": (
            "{course} er utelate med vilje: [tp] skip treffer koden.",
            "Kalenders driftarar: ta mønsteret ut av [tp] skip, så kalender resync --all",
        ),
        "held.person": (
            (
                "Det siste svaret frå FS om personen var tomt, og bremsa {brake} held på det dei "
                "hadde, til FS er spurd ein gong til."
            ),
            (
                "studieadministrasjonen, om FS tek feil; elles Kalenders driftarar: "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "held.course": (
            (
                "Bremsa {brake} held sidan {since}: det siste svaret frå TP manglar {count} hendingar "
                "på emnet, og dei blir ståande i kalenderen."
            ),
            (
                "den som planlegg emnet, om TP tek feil; elles Kalenders driftarar: "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "held": (
            (
                "Bremsa {brake} held< sidan {since}>: {count} oppføringar på emnet skulle vore borte, "
                "og blir ståande i kalenderen<; {reason}>."
            ),
            (
                "Kalenders driftarar ser om det er rett: kalender brake show, så "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "asked.parked": (
            "FS kunne ikkje spørjast om personen; det er lagt til side sidan {since}<: {error}>.",
            "Kalenders driftarar rettar det som står der, så kalender retry {whom}",
        ),
        "asked.course_parked": (
            "TP kunne ikkje spørjast om {key}; det er lagt til side sidan {since}<: {error}>.",
            "Kalenders driftarar rettar det som står der, så kalender resync --course {course}",
        ),
        "asked.by_hand": (
            "Det skal spørjast om {kind}, og {neighbour} er sett på pause for hand<: {error}>.",
            "Kalenders driftarar: kalender resume {neighbour}",
        ),
        "asked.paused": (
            "Det skal spørjast om {kind}, og {neighbour} svarar ikkje som det skal<: {error}>.",
            "den som driftar {neighbour}; Kalender spør igjen av seg sjølv",
        ),
        "asked": (
            "Det skal spørjast om {kind} igjen, ikkje før {not_before}<: {error}>.",
            "den som driftar FS eller TP, om det held fram; Kalender spør igjen av seg sjølv",
        ),
        "registered": (
            (
                "Verken registrert på emnet eller sett opp som undervisar, dette semesteret eller "
                "neste."
            ),
            (
                "studenten melder seg i Studentweb; undervisarar blir sette opp i TP av den som "
                "planlegg emnet"
            ),
        ),
        "registered.unreadable": (
            (
                "Verken registrert på emnet eller sett opp som undervisar; men FS har fortalt om "
                "personen ({bad}) i ei form som ikkje kunne lesast: {field}."
            ),
            "studieadministrasjonen, eller den som driftar FS, rettar feltet i FS",
        ),
        "status": (
            "Registreringa tel ikkje enno< (tilbodsstatus: {status})>.",
            "studieadministrasjonen: plass på emnet må vere tilboden og akseptert i FS",
        ),
        "status.untold": (
            "FS har ikkje fortalt om studenten har plass på emnet.",
            (
                "Kalenders driftarar: kalender resync --person {whom}; held det fram, "
                "studieadministrasjonen"
            ),
        ),
        "published": (
            "Timeplanen for semesteret er ikkje publisert< (TP sist spurd {asked_at})>.",
            "den som planlegg emnet, publiserer i TP",
        ),
        "published.unasked": (
            "TP er ikkje spurd om emnet enno.",
            "ingen treng å gjere noko, med mindre ingen arbeidsprosess køyrer: kalender status",
        ),
        "placed": (
            "Undervisninga er for grupper der personen ikkje har plass< (har plass i: {groups})>.",
            "studieadministrasjonen, eller studenten i Studentweb, vel gruppe",
        ),
        "placed.unreadable": (
            (
                "Undervisninga er for grupper der personen ikkje har plass; men FS har fortalt om "
                "grupper ({bad}) i ei form som ikkje kunne lesast: {field}."
            ),
            "studieadministrasjonen, eller den som driftar FS, rettar feltet i FS",
        ),
        "event": (
            "TP har inga slik undervisning.",
            "den som planlegg emnet, legg ho inn i TP",
        ),
        "event.unsure": (
            "TP har slik undervisning ({unsure}), men det er ikkje sikkert at ho blir halden.",
            "den som planlegg emnet, oppgir det i TP",
        ),
        "event.unreadable": (
            (
                "TP har fortalt om undervisning på emnet ({bad}) i ei form som ikkje kunne lesast"
                "<: {field}>."
            ),
            "den som planlegg emnet, eller driftar TP, rettar feltet i TP",
        ),
        "window": (
            "Ho er over, eller lenger fram enn det som blir skrive.",
            "ingen treng å gjere noko: ho kjem når ho er nær; det som er over, blir ikkje skrive",
        ),
        "mailbox.none": (
            "FS har inga adresse der ein kalender kan vere.",
            "studieadministrasjonen, eller dei som driftar kontoar: adressa blir lagd inn i FS",
        ),
        "mailbox.outside": (
            (
                "Adressa til personen er utanfor [institution] mail_domains, og blir aldri skriven til "
                "(kalender {calendar})."
            ),
            (
                "dei som driftar adresser, om FS har feil adresse; elles Kalenders driftarar: legg "
                "domenet til mail_domains, så kalender resync --all"
            ),
        ),
        "mailbox.passed_on": (
            "Adressa tilhøyrer ein annan no (kalender {calendar}).",
            (
                "studieadministrasjonen, eller dei som driftar kontoar: personens eiga adresse blir "
                "lagd inn i FS"
            ),
        ),
        "mailbox.clash": (
            (
                "Kalenderen til ein annan person< ({others})> har same adresse; denne ventar "
                "(kalender {calendar})."
            ),
            (
                "studieadministrasjonen, eller dei som driftar kontoar: rett adressa til ein av dei to "
                "i FS"
            ),
        ),
        "mailbox.moved": (
            (
                "Postboksen er flytta til [exchange.{backend}], som viser {present} av {entries} "
                "komande oppføringar (kalender {calendar}); ingenting blir skrive før meir er på "
                "plass."
            ),
            (
                "dei som flyttar postboksar; elles Kalenders driftarar: kalender move accept "
                "{whom}, eller kalender move wait {whom}"
            ),
        ),
        "mailbox.emptied": (
            (
                "Postboksen viser {present} av {entries} komande oppføringar (kalender {calendar}). "
                "Han kan vere på flyttefot: ingenting blir skrive før det har vore slik i fem timar."
            ),
            (
                "ingen; om personen sletta dei sjølv, kan Kalenders driftarar køyre kalender move "
                "accept {whom}"
            ),
        ),
        "mailbox.stopped": (
            "Overtakinga av kalender {calendar} frå ein forgjengar er stansa: {reason}",
            "Kalenders driftarar: kalender takeover status",
        ),
        "mailbox.lost": (
            "Postboksen det vart skrive til, er borte frå Exchange (kalender {calendar}).",
            "dei som driftar postboksar; deretter kalender retry {whom}",
        ),
        "mailbox.denied": (
            "Exchange opnar ikkje postboksen til personen for Kalender (enno) (kalender {calendar}).",
            (
                "dei som driftar postboksar: Kalenders scope må dekkje han, og det tek nokre timar "
                "før det gjeld; han blir prøvd att av seg sjølv, eller straks med kalender retry {whom}"
            ),
        ),
        "mailbox": (
            "Exchange har ingen postboks på adressa til personen (kalender {calendar}).",
            "dei som driftar postboksar; deretter kalender retry {whom}",
        ),
        "rollout": (
            "Personen er ikkje slått på enno.",
            "Kalenders driftarar: kalender rollout add person {whom}",
        ),
        "rollout.off": (
            'Ingen er slått på: [rollout] mode er "off".',
            'Kalenders driftarar: set [rollout] mode til "listed" eller "all"',
        ),
        "wish": (
            "Personen får vere i fred ({wishes}).",
            "personen sjølv; deretter Kalenders driftarar: kalender optout remove {whom}",
        ),
        "wish.listed": (
            "Personen får vere i fred etter lista {lists}.",
            "den som fører lista; eller Kalenders driftarar, mot lista: kalender optout remove {whom}",
        ),
        "wish.protect": (
            "Personen får vere i fred ({wishes}).",
            (
                "ingen, så lenge personen skal skjermast; deretter Kalenders driftarar: "
                "kalender protect remove '{whom}'"
            ),
        ),
        "room": (
            (
                "Nye oppføringar blir haldne av bremsa {brake}: kalenderen ville få fleire enn "
                "[safety] max_entries."
            ),
            (
                "Kalenders driftarar ser om så mange er rett (kalender brake show), så "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "pending.parked": (
            "Noko står att ({cause}), og er lagt til side sidan {since}<: {error}>.",
            "Kalenders driftarar rettar det som står der, så kalender retry {whom}",
        ),
        "pending.course_parked": (
            "Noko står att om {key}, og er lagt til side sidan {since}<: {error}>.",
            "Kalenders driftarar rettar det som står der, så kalender resync --course {course}",
        ),
        "pending.by_hand": (
            "Noko står att ({cause}), og {neighbour} er sett på pause for hand<: {error}>.",
            "Kalenders driftarar: kalender resume {neighbour}",
        ),
        "pending.paused": (
            "Noko står att ({cause}), og {neighbour} svarar ikkje som det skal<: {error}>.",
            "den som driftar {neighbour}; Kalender held fram av seg sjølv",
        ),
        "pending": (
            "Noko står att ({cause}), ikkje før {not_before}<: {error}>.",
            "ingen treng å gjere noko, med mindre ingen arbeidsprosess køyrer: kalender status",
        ),
        "written": (
            "Ho er ikkje skriven ({entries} oppføringar er det).",
            "Kalenders driftarar: kalender resync --person {whom}",
        ),
        "written.refused": (
            "Exchange avviser {refused} oppføringar av ho for godt ({entries} er skrivne).",
            (
                "dei som driftar Exchange, ser på postboksen; deretter Kalenders driftarar: "
                "kalender resync --person {whom}"
            ),
        ),
        "restored": (
            "Personen har endra eller sletta ho så ofte ({times} gonger) at det blir slik.",
            "personen sjølv: ho kjem att når undervisninga blir endra",
        ),
        "readable": (
            (
                "Det som finst, er skrive; men TP har fortalt om meir undervisning på emnet ({bad}) i "
                "ei form som ikkje kunne lesast<: {field}>."
            ),
            "den som planlegg emnet, eller driftar TP, rettar feltet i TP",
        ),
    },
)
