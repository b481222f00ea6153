"""What `kalender why` says, in Bokmål."""

from typing import Final

from kalender.operate.answers.words import AnswerWords

BOKMAL: Final = AnswerWords(
    fine="Alt er som det skal.",
    mended_by="Kan rettes av: ",
    beside="Dette spiller ingen rolle her.",
    facts={
        "student": "student",
        "teacher": "underviser",
        "optout": "reservert",
        "listed": "på en liste",
        "remove": "alt vårt skal fjernes",
        "search": "alt vårt skal letes fram og fjernes",
        "forget": "slettet",
        "protect": "skjermet",
        "person": "personen",
        "course": "emnet",
    },
    causes={
        "notification": "melding om en endring",
        "poll": "spørring i TP",
        "resync": "gjennomgang av alt",
        "verify": "kontroll av kalenderen",
        "asked": "noen ba om det",
        "wish": "ønske fra personen",
        "rollout": "personen ble slått på",
        "brake": "en brems ble løst ut",
        "recover": "gjenoppretting",
        "settings": "innstillinger",
        "time": "tidspunktet kom",
        "other": "annet",
    },
    so={
        "known": "FS kjenner personen< (nummer {number})>.",
        "known.by_tp": "TP har personen som underviser; FS har ikke fortalt om vedkommende.",
        "course": "{course} er et emne som FS eller TP har fortalt om.",
        "held": "Ingenting holdes tilbake av en brems.",
        "asked": "FS og TP er spurt, og har svart.",
        "registered": "Er på emnet som {role}.",
        "status": "Registreringen teller< (tilbudstatus: {status})>.",
        "published": "Timeplanen er publisert< (TP sist spurt {asked_at})>.",
        "placed": "Undervisningen gjelder personen< (grupper: {groups})>.",
        "event": "TP har undervisningen ({events}; av disse avlyst: {cancelled}).",
        "window": "Den kommer, og er nær nok.",
        "mailbox": "Personen har en postboks det kan skrives til.",
        "rollout": "Personen er slått på.",
        "wish": "Ingen har bedt om å få være i fred.",
        "room": "Kalenderen har plass til den.",
        "pending": "Ingenting gjenstår å gjøre.",
        "written": "Den ble skrevet {written_at}< (på grunn av: {cause})>.",
        "restored": "Satt tilbake {times} ganger.",
        "readable": "Alt TP har fortalt om emnet, kunne leses.",
    },
    not_so={
        "known": (
            "FS kjenner ikke personen.",
            "studieadministrasjonen registrerer personen i FS",
        ),
        "course": (
            (
                "Verken FS eller TP har fortalt om et emne {course} som noen kjent tar eller "
                "underviser i."
            ),
            (
                "den som spør, slår opp koden i FS eller TP; et nytt emne kommer med sin første "
                "student eller underviser"
            ),
        ),
        "course.skipped": (
            "{course} er utelatt med vilje: [tp] skip treffer koden.",
            "Kalenders driftere: ta mønsteret ut av [tp] skip, så kalender resync --all",
        ),
        "held.person": (
            (
                "FS' siste svar om personen var tomt, og bremsen {brake} holder på det de hadde, til "
                "FS er spurt en gang til."
            ),
            (
                "studieadministrasjonen, hvis FS tar feil; ellers Kalenders driftere: "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "held.course": (
            (
                "Bremsen {brake} holder siden {since}: TPs siste svar mangler {count} hendelser på "
                "emnet, og de blir stående i kalenderen."
            ),
            (
                "den som planlegger emnet, hvis TP tar feil; ellers Kalenders driftere: "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "held": (
            (
                "Bremsen {brake} holder< siden {since}>: {count} oppføringer på emnet skulle vært "
                "borte, og blir stående i kalenderen<; {reason}>."
            ),
            (
                "Kalenders driftere ser om det er riktig: kalender brake show, så "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "asked.parked": (
            "FS kunne ikke spørres om personen; det er lagt til side siden {since}<: {error}>.",
            "Kalenders driftere retter det som står der, så kalender retry {whom}",
        ),
        "asked.course_parked": (
            "TP kunne ikke spørres om {key}; det er lagt til side siden {since}<: {error}>.",
            "Kalenders driftere retter det som står der, så kalender resync --course {course}",
        ),
        "asked.by_hand": (
            "Det skal spørres om {kind}, og {neighbour} er satt på pause for hånd<: {error}>.",
            "Kalenders driftere: kalender resume {neighbour}",
        ),
        "asked.paused": (
            "Det skal spørres om {kind}, og {neighbour} svarer ikke som det skal<: {error}>.",
            "den som drifter {neighbour}; Kalender spør igjen av seg selv",
        ),
        "asked": (
            "Det skal spørres om {kind} igjen, ikke før {not_before}<: {error}>.",
            "den som drifter FS eller TP, hvis det fortsetter; Kalender spør igjen av seg selv",
        ),
        "registered": (
            (
                "Verken registrert på emnet eller satt opp som underviser, dette semesteret eller "
                "neste."
            ),
            (
                "studenten melder seg i Studentweb; undervisere settes opp i TP av den som planlegger "
                "emnet"
            ),
        ),
        "registered.unreadable": (
            (
                "Verken registrert på emnet eller satt opp som underviser; men FS har fortalt om "
                "personen ({bad}) i en form som ikke kunne leses: {field}."
            ),
            "studieadministrasjonen, eller den som drifter FS, retter feltet i FS",
        ),
        "status": (
            "Registreringen teller ikke ennå< (tilbudstatus: {status})>.",
            "studieadministrasjonen: plass på emnet må være tilbudt og akseptert i FS",
        ),
        "status.untold": (
            "FS har ikke fortalt om studenten har plass på emnet.",
            (
                "Kalenders driftere: kalender resync --person {whom}; fortsetter det, "
                "studieadministrasjonen"
            ),
        ),
        "published": (
            "Semesterets timeplan er ikke publisert< (TP sist spurt {asked_at})>.",
            "den som planlegger emnet, publiserer i TP",
        ),
        "published.unasked": (
            "TP er ikke spurt om emnet ennå.",
            "ingen trenger å gjøre noe, med mindre ingen arbeidsprosess kjører: kalender status",
        ),
        "placed": (
            "Undervisningen er for grupper der personen ikke har plass< (har plass i: {groups})>.",
            "studieadministrasjonen, eller studenten i Studentweb, velger gruppe",
        ),
        "placed.unreadable": (
            (
                "Undervisningen er for grupper der personen ikke har plass; men FS har fortalt om "
                "grupper ({bad}) i en form som ikke kunne leses: {field}."
            ),
            "studieadministrasjonen, eller den som drifter FS, retter feltet i FS",
        ),
        "event": (
            "TP har ingen slik undervisning.",
            "den som planlegger emnet, legger den inn i TP",
        ),
        "event.unsure": (
            "TP har slik undervisning ({unsure}), men det er ikke sikkert at den holdes.",
            "den som planlegger emnet, oppgir det i TP",
        ),
        "event.unreadable": (
            (
                "TP har fortalt om undervisning på emnet ({bad}) i en form som ikke kunne leses"
                "<: {field}>."
            ),
            "den som planlegger emnet, eller drifter TP, retter feltet i TP",
        ),
        "window": (
            "Den er over, eller lenger fram enn det som skrives.",
            "ingen trenger å gjøre noe: den kommer når den er nær; det som er over, skrives ikke",
        ),
        "mailbox.none": (
            "FS har ingen adresse der en kalender kan være.",
            "studieadministrasjonen, eller de som drifter kontoer: adressen legges inn i FS",
        ),
        "mailbox.outside": (
            (
                "Personens adresse er utenfor [institution] mail_domains, og skrives aldri til "
                "(kalender {calendar})."
            ),
            (
                "de som drifter adresser, hvis FS har feil adresse; ellers Kalenders driftere: legg "
                "domenet til mail_domains, så kalender resync --all"
            ),
        ),
        "mailbox.passed_on": (
            "Adressen tilhører en annen nå (kalender {calendar}).",
            (
                "studieadministrasjonen, eller de som drifter kontoer: personens egen adresse legges "
                "inn i FS"
            ),
        ),
        "mailbox.clash": (
            (
                "Kalenderen til en annen person< ({others})> har samme adresse; denne venter "
                "(kalender {calendar})."
            ),
            (
                "studieadministrasjonen, eller de som drifter kontoer: rett adressen til en av de to "
                "i FS"
            ),
        ),
        "mailbox.moved": (
            (
                "Postboksen er flyttet til [exchange.{backend}], som viser {present} av {entries} "
                "kommende oppføringer (kalender {calendar}); ingenting skrives før mer er på plass."
            ),
            (
                "de som flytter postbokser; ellers Kalenders driftere: kalender move accept {whom}, "
                "eller kalender move wait {whom}"
            ),
        ),
        "mailbox.emptied": (
            (
                "Postboksen viser {present} av {entries} kommende oppføringer (kalender {calendar}). "
                "Den kan være på flyttefot: ingenting skrives før det har vært slik i fem timer."
            ),
            (
                "ingen; om personen slettet dem selv, kan Kalenders driftere kjøre kalender move "
                "accept {whom}"
            ),
        ),
        "mailbox.stopped": (
            "Overtakelsen av kalender {calendar} fra en forgjenger er stanset: {reason}",
            "Kalenders driftere: kalender takeover status",
        ),
        "mailbox.lost": (
            "Postboksen det ble skrevet til, er borte fra Exchange (kalender {calendar}).",
            "de som drifter postbokser; deretter kalender retry {whom}",
        ),
        "mailbox.denied": (
            "Exchange åpner ikke personens postboks for Kalender (ennå) (kalender {calendar}).",
            (
                "de som drifter postbokser: Kalenders scope må dekke den, og det tar noen timer før "
                "det gjelder; den prøves igjen av seg selv, eller straks med kalender retry {whom}"
            ),
        ),
        "mailbox": (
            "Exchange har ingen postboks på personens adresse (kalender {calendar}).",
            "de som drifter postbokser; deretter kalender retry {whom}",
        ),
        "rollout": (
            "Personen er ikke slått på ennå.",
            "Kalenders driftere: kalender rollout add person {whom}",
        ),
        "rollout.off": (
            'Ingen er slått på: [rollout] mode er "off".',
            'Kalenders driftere: sett [rollout] mode til "listed" eller "all"',
        ),
        "wish": (
            "Personen får være i fred ({wishes}).",
            "personen selv; deretter Kalenders driftere: kalender optout remove {whom}",
        ),
        "wish.listed": (
            "Personen får være i fred etter listen {lists}.",
            "den som fører listen; eller Kalenders driftere, mot listen: kalender optout remove {whom}",
        ),
        "wish.protect": (
            "Personen får være i fred ({wishes}).",
            (
                "ingen, så lenge personen skal skjermes; deretter Kalenders driftere: "
                "kalender protect remove '{whom}'"
            ),
        ),
        "room": (
            (
                "Nye oppføringer holdes av bremsen {brake}: kalenderen ville få flere enn [safety] "
                "max_entries."
            ),
            (
                "Kalenders driftere ser om så mange er riktig (kalender brake show), så "
                "kalender brake release {brake} --reason TEKST"
            ),
        ),
        "pending.parked": (
            "Noe gjenstår ({cause}), og er lagt til side siden {since}<: {error}>.",
            "Kalenders driftere retter det som står der, så kalender retry {whom}",
        ),
        "pending.course_parked": (
            "Noe gjenstår om {key}, og er lagt til side siden {since}<: {error}>.",
            "Kalenders driftere retter det som står der, så kalender resync --course {course}",
        ),
        "pending.by_hand": (
            "Noe gjenstår ({cause}), og {neighbour} er satt på pause for hånd<: {error}>.",
            "Kalenders driftere: kalender resume {neighbour}",
        ),
        "pending.paused": (
            "Noe gjenstår ({cause}), og {neighbour} svarer ikke som det skal<: {error}>.",
            "den som drifter {neighbour}; Kalender fortsetter av seg selv",
        ),
        "pending": (
            "Noe gjenstår ({cause}), ikke før {not_before}<: {error}>.",
            "ingen trenger å gjøre noe, med mindre ingen arbeidsprosess kjører: kalender status",
        ),
        "written": (
            "Den er ikke skrevet ({entries} oppføringer er det).",
            "Kalenders driftere: kalender resync --person {whom}",
        ),
        "written.refused": (
            "Exchange avviser {refused} oppføringer av den for godt ({entries} er skrevet).",
            (
                "de som drifter Exchange, ser på postboksen; deretter Kalenders driftere: "
                "kalender resync --person {whom}"
            ),
        ),
        "restored": (
            "Personen har endret eller slettet den så ofte ({times} ganger) at den blir slik.",
            "personen selv: den kommer igjen når undervisningen endres",
        ),
        "readable": (
            (
                "Det som finnes, er skrevet; men TP har fortalt om mer undervisning på emnet ({bad}) "
                "i en form som ikke kunne leses<: {field}>."
            ),
            "den som planlegger emnet, eller drifter TP, retter feltet i TP",
        ),
    },
)
