"""What `kalender why` says of each check, in English, Bokmål and Nynorsk.

A key is a check's name, or its name and case. A part in `<` and `>` is left out where a fact in it
is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language: what is so; what is not so, with who can mend it; and words for facts."""

    so: Mapping[str, str]
    not_so: Mapping[str, tuple[str, str]]
    facts: Mapping[str, str]
    fine: str
    mended_by: str
    beside: str  # of what does not matter here


ENGLISH: Final = Words(
    fine="Everything is as it should be.",
    mended_by="To be mended by: ",
    beside="This does not matter here.",
    facts={
        "student": "student",
        "teacher": "teacher",
        "optout": "opted out",
        "remove": "all of ours is to be removed",
        "search": "all of ours is to be searched for and removed",
        "forget": "erased",
        "protect": "protected",
        "person": "person",
        "course": "course",
    },
    so={
        "known": "FS knows the person< (number {number})>.",
        "known.by_tp": "TP names the person as a teacher; FS told nothing of them.",
        "course": "{course} is a course that FS or TP told of.",
        "held": "Nothing is held back by a brake.",
        "asked": "FS and TP were asked, and answered.",
        "registered": "On the course as {role}.",
        "status": "The registration counts< (status of the offer: {status})>.",
        "published": "The timetable is published< (TP was asked last {asked_at})>.",
        "placed": "The teaching is for this person< (groups: {groups})>.",
        "event": "TP has the teaching ({events}; of these cancelled: {cancelled}).",
        "window": "It is to come, and near enough.",
        "mailbox": "The person has a mailbox that can be written to.",
        "rollout": "The person is switched on.",
        "wish": "Nobody wished to be left alone.",
        "room": "The calendar has room for it.",
        "pending": "Nothing is still to be done.",
        "written": "It was written {written_at}< (because of: {reason})>.",
        "restored": "Put back {times} times.",
        "readable": "All that TP told of the course could be read.",
    },
    not_so={
        "known": (
            "FS does not know the person.",
            "the student administration registers them in FS",
        ),
        "course": (
            "Neither FS nor TP told of a course {course} that anybody known takes or teaches.",
            (
                "whoever asks looks up the code in FS or TP; a new course comes with its first student "
                "or teacher"
            ),
        ),
        "course.skipped": (
            "{course} is left out on purpose: [tp] skip matches it.",
            "Kalender's operator: take the pattern out of [tp] skip, then kalender resync --all",
        ),
        "held.person": (
            (
                "FS' last answer about the person was empty, and the brake {brake} holds what they had "
                "until FS is asked a second time."
            ),
            (
                "the student administration, where FS is wrong; else Kalender's operator: "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "held.course": (
            (
                "The brake {brake} holds since {since}: TP's last answer lacks {count} events of the "
                "course, and they stay in the calendar."
            ),
            (
                "whoever plans the course, where TP is wrong; else Kalender's operator: "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "held": (
            (
                "The brake {brake} holds< since {since}>: {count} entries of the course should go, and "
                "stay in the calendar<; {reason}>."
            ),
            (
                "Kalender's operator looks whether that is right: kalender brake show, then "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "asked.parked": (
            "FS could not be asked about the person; that is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender retry {whom}",
        ),
        "asked.course_parked": (
            "TP could not be asked about {key}; that is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender resync --course {course}",
        ),
        "asked.by_hand": (
            "The {kind} is to be asked about, and {neighbour} is paused by hand<: {error}>.",
            "Kalender's operator: kalender resume {neighbour}",
        ),
        "asked.paused": (
            (
                "The {kind} is to be asked about, and {neighbour} does not answer as it should"
                "<: {error}>."
            ),
            "whoever runs {neighbour}; Kalender asks again by itself",
        ),
        "asked": (
            "The {kind} is to be asked about again, not before {not_before}<: {error}>.",
            "whoever runs FS or TP, if it stays so; Kalender asks again by itself",
        ),
        "registered": (
            "Neither registered for the course nor named as its teacher, this term or the next.",
            (
                "the student registers in Studentweb; teachers are named by whoever plans the course "
                "in TP"
            ),
        ),
        "registered.unreadable": (
            (
                "Neither registered for the course nor named as its teacher; but FS told of the person "
                "({bad}) in a form that could not be read: {field}."
            ),
            "the student administration, or whoever runs FS, mends that field in FS",
        ),
        "status": (
            "The registration does not count yet< (status of the offer: {status})>.",
            "the student administration: a place on the course is offered and accepted in FS",
        ),
        "status.untold": (
            "FS did not tell whether the student has a place on the course.",
            (
                "Kalender's operator: kalender resync --person {whom}; if it stays so, the student "
                "administration"
            ),
        ),
        "published": (
            "The timetable of the term is not published< (TP was asked last {asked_at})>.",
            "whoever plans the course publishes it in TP",
        ),
        "published.unasked": (
            "TP was not asked about the course yet.",
            "nobody needs to, unless no worker runs: kalender status",
        ),
        "placed": (
            (
                "The teaching is for groups in which the person has no place"
                "< (they have one in: {groups})>."
            ),
            "the student administration, or the student in Studentweb, chooses a group",
        ),
        "placed.unreadable": (
            (
                "The teaching is for groups in which the person has no place; but FS told of groups "
                "({bad}) in a form that could not be read: {field}."
            ),
            "the student administration, or whoever runs FS, mends that field in FS",
        ),
        "event": (
            "TP has no such teaching.",
            "whoever plans the course enters it in TP",
        ),
        "event.unsure": (
            "TP has such teaching ({unsure}), and it is not certain whether it takes place.",
            "whoever plans the course says so in TP",
        ),
        "event.unreadable": (
            "TP told of teaching of the course ({bad}) in a form that could not be read<: {field}>.",
            "whoever plans the course, or runs TP, mends that field in TP",
        ),
        "window": (
            "It is over, or further ahead than what is written.",
            "nobody needs to: it comes when it is near, and what is over is not written",
        ),
        "mailbox.none": (
            "FS tells of no address that a calendar could be at.",
            "the student administration, or those who run accounts: the address goes into FS",
        ),
        "mailbox.outside": (
            (
                "The person's address is outside [institution] mail_domains, and is never written to "
                "(calendar {calendar})."
            ),
            (
                "those who run addresses, where FS has a wrong one; else Kalender's operator: add the "
                "domain to mail_domains, then kalender resync --all"
            ),
        ),
        "mailbox.passed_on": (
            "The address belongs to somebody else now (calendar {calendar}).",
            (
                "the student administration, or those who run accounts: the person's own address goes "
                "into FS"
            ),
        ),
        "mailbox.clash": (
            (
                "Another person's calendar< (of {others})> has the same address; this one waits "
                "(calendar {calendar})."
            ),
            (
                "the student administration, or those who run accounts: correct the address of one of "
                "the two in FS"
            ),
        ),
        "mailbox.lost": (
            "The mailbox that was written to is gone from Exchange (calendar {calendar}).",
            "those who run mailboxes; afterwards kalender retry {whom}",
        ),
        "mailbox": (
            "Exchange has no mailbox at the person's address (calendar {calendar}).",
            "those who run mailboxes; afterwards kalender retry {whom}",
        ),
        "rollout": (
            "The person is not switched on yet.",
            "Kalender's operator: kalender rollout add person {whom}",
        ),
        "rollout.off": (
            'Nobody is switched on: [rollout] mode is "off".',
            'Kalender\'s operator: set [rollout] mode to "listed" or "all"',
        ),
        "wish": (
            "The person is left alone ({wishes}).",
            "the person themselves; then Kalender's operator: kalender optout remove {whom}",
        ),
        "wish.protect": (
            "The person is left alone ({wishes}).",
            (
                "nobody, while the person is to be protected; then Kalender's operator: kalender "
                "protect remove '{whom}'"
            ),
        ),
        "room": (
            (
                "New entries are held by the brake {brake}: the calendar would hold more than [safety] "
                "max_entries."
            ),
            (
                "Kalender's operator looks whether that many are right (kalender brake show), then "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "pending.parked": (
            "Work ({reason}) is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender retry {whom}",
        ),
        "pending.course_parked": (
            "Work on {key} is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender resync --course {course}",
        ),
        "pending.by_hand": (
            "Work is still to be done ({reason}), and {neighbour} is paused by hand<: {error}>.",
            "Kalender's operator: kalender resume {neighbour}",
        ),
        "pending.paused": (
            (
                "Work is still to be done ({reason}), and {neighbour} does not answer as it should"
                "<: {error}>."
            ),
            "whoever runs {neighbour}; Kalender goes on by itself",
        ),
        "pending": (
            "Work is still to be done ({reason}), not before {not_before}<: {error}>.",
            "nobody needs to, unless no worker runs: kalender status",
        ),
        "written": (
            "It was not written ({entries} entries were).",
            "Kalender's operator: kalender resync --person {whom}",
        ),
        "written.refused": (
            "Exchange refuses {refused} entries of it for good ({entries} were written).",
            (
                "those who run Exchange look at the mailbox; then Kalender's operator: "
                "kalender resync --person {whom}"
            ),
        ),
        "restored": (
            "The person changed or deleted it so often ({times} times) that it is left so.",
            "the person themselves: it comes back when the teaching changes",
        ),
        "readable": (
            (
                "What there is was written; but TP told of more teaching of the course ({bad}) in a "
                "form that could not be read<: {field}>."
            ),
            "whoever plans the course, or runs TP, mends that field in TP",
        ),
    },
)

BOKMAL: Final = Words(
    fine="Alt er som det skal.",
    mended_by="Kan rettes av: ",
    beside="Dette spiller ingen rolle her.",
    facts={
        "student": "student",
        "teacher": "underviser",
        "optout": "reservert",
        "remove": "alt vårt skal fjernes",
        "search": "alt vårt skal letes fram og fjernes",
        "forget": "slettet",
        "protect": "skjermet",
        "person": "personen",
        "course": "emnet",
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
        "written": "Den ble skrevet {written_at}< (på grunn av: {reason})>.",
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
            "ingen trenger å gjøre noe, med mindre ingen arbeider kjører: kalender status",
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
        "mailbox.lost": (
            "Postboksen det ble skrevet til, er borte fra Exchange (kalender {calendar}).",
            "de som drifter postbokser; deretter kalender retry {whom}",
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
            "Noe gjenstår ({reason}), og er lagt til side siden {since}<: {error}>.",
            "Kalenders driftere retter det som står der, så kalender retry {whom}",
        ),
        "pending.course_parked": (
            "Noe gjenstår om {key}, og er lagt til side siden {since}<: {error}>.",
            "Kalenders driftere retter det som står der, så kalender resync --course {course}",
        ),
        "pending.by_hand": (
            "Noe gjenstår ({reason}), og {neighbour} er satt på pause for hånd<: {error}>.",
            "Kalenders driftere: kalender resume {neighbour}",
        ),
        "pending.paused": (
            "Noe gjenstår ({reason}), og {neighbour} svarer ikke som det skal<: {error}>.",
            "den som drifter {neighbour}; Kalender fortsetter av seg selv",
        ),
        "pending": (
            "Noe gjenstår ({reason}), ikke før {not_before}<: {error}>.",
            "ingen trenger å gjøre noe, med mindre ingen arbeider kjører: kalender status",
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

NYNORSK: Final = Words(
    fine="Alt er som det skal.",
    mended_by="Kan rettast av: ",
    beside="Dette spelar inga rolle her.",
    facts={
        "student": "student",
        "teacher": "undervisar",
        "optout": "reservert",
        "remove": "alt vårt skal fjernast",
        "search": "alt vårt skal leitast fram og fjernast",
        "forget": "sletta",
        "protect": "skjerma",
        "person": "personen",
        "course": "emnet",
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
        "written": "Ho vart skriven {written_at}< (på grunn av: {reason})>.",
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
            "ingen treng å gjere noko, med mindre ingen arbeidar køyrer: kalender status",
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
        "mailbox.lost": (
            "Postboksen det vart skrive til, er borte frå Exchange (kalender {calendar}).",
            "dei som driftar postboksar; deretter kalender retry {whom}",
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
            "Noko står att ({reason}), og er lagt til side sidan {since}<: {error}>.",
            "Kalenders driftarar rettar det som står der, så kalender retry {whom}",
        ),
        "pending.course_parked": (
            "Noko står att om {key}, og er lagt til side sidan {since}<: {error}>.",
            "Kalenders driftarar rettar det som står der, så kalender resync --course {course}",
        ),
        "pending.by_hand": (
            "Noko står att ({reason}), og {neighbour} er sett på pause for hand<: {error}>.",
            "Kalenders driftarar: kalender resume {neighbour}",
        ),
        "pending.paused": (
            "Noko står att ({reason}), og {neighbour} svarar ikkje som det skal<: {error}>.",
            "den som driftar {neighbour}; Kalender held fram av seg sjølv",
        ),
        "pending": (
            "Noko står att ({reason}), ikkje før {not_before}<: {error}>.",
            "ingen treng å gjere noko, med mindre ingen arbeidar køyrer: kalender status",
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
LANGUAGES: Final[Mapping[str, Words]] = {"en": ENGLISH, "nb": BOKMAL, "nn": NYNORSK}
