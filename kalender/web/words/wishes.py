"""The words of what operators wish: what will happen, and what was done."""

from typing import Final

WORDS: Final = {
    "wish.heading": ("Be om noe", "Be om noko", "Ask for something"),
    "wish.back": ("Nei, gå tilbake", "Nei, gå tilbake", "No, go back"),
    "wish.go_on": ("Gå tilbake", "Gå tilbake", "Go back"),
    "wish.kept": (
        "Det blir lagret at {who} ba om det, og hvorfor.",
        "Det blir lagra at {who} bad om det, og kvifor.",
        "It is kept that {who} asked for it, and why.",
    ),
    "wish.kept_because": (
        "Det blir lagret at {who} ba om det. Grunnen er oppslagets: {reason}",
        "Det blir lagra at {who} bad om det. Grunnen er oppslaget sin: {reason}",
        "It is kept that {who} asked for it. The reason is that of the look-up: {reason}",
    ),
    "wish.is_done": ("Det er registrert", "Det er registrert", "It is recorded"),
    "wish.source": ("Hvem sa det?", "Kven sa det?", "Who said so?"),
    "wish.no_source": (
        "Oppgi hvem som sa det.",
        "Oppgi kven som sa det.",
        "Say who said so.",
    ),
    "wish.again.title": (
        "Spør om personen på nytt",
        "Spør om personen på nytt",
        "Ask about the person again",
    ),
    "wish.again.will": (
        (
            "FS blir spurt om personen på nytt. Har noe endret seg, blir kalenderen rettet. "
            "Det tar vanligvis under et minutt."
        ),
        (
            "FS blir spurd om personen på nytt. Har noko endra seg, blir kalenderen retta. "
            "Det tek vanlegvis under eitt minutt."
        ),
        (
            "FS is asked about the person again. Where something changed, the calendar is made "
            "right. It usually takes less than a minute."
        ),
    ),
    "wish.again.button": ("Spør på nytt", "Spør på nytt", "Ask again"),
    "wish.again.done": (
        "FS blir spurt om personen på nytt så snart en arbeidsprosess er ledig.",
        "FS blir spurd om personen på nytt så snart ein arbeidsprosess er ledig.",
        "FS will be asked about the person again as soon as a worker is free.",
    ),
    "wish.verify.title": (
        "Kontroller kalenderen",
        "Kontroller kalenderen",
        "Check the calendar",
    ),
    "wish.verify.will": (
        (
            "Det vi har notert, blir sammenlignet med det som faktisk står i personens kalender. "
            "Mangler en oppføring som Kalender har skrevet, eller er den endret, blir den satt "
            "tilbake. Det personen selv har lagt inn, blir ikke rørt."
        ),
        (
            "Det vi har notert, blir samanlikna med det som faktisk står i kalenderen til personen. "
            "Manglar ei oppføring som Kalender har skrive, eller er ho endra, blir ho sett tilbake. "
            "Det personen sjølv har lagt inn, blir ikkje rørt."
        ),
        (
            "What we recorded is compared with what stands in the person's calendar. Where an entry "
            "that Kalender wrote is missing or was changed, it is put back. What the person put "
            "there is not touched."
        ),
    ),
    "wish.verify.button": ("Kontroller", "Kontroller", "Check"),
    "wish.verify.done": (
        "Kalendere som blir kontrollert så snart en arbeidsprosess er ledig: {count}.",
        "Kalendrar som blir kontrollerte så snart ein arbeidsprosess er ledig: {count}.",
        "Calendars that will be checked as soon as a worker is free: {count}.",
    ),
    "wish.retry.title": ("Prøv igjen nå", "Prøv igjen no", "Try again now"),
    "wish.retry.will": (
        (
            "Det som venter eller er lagt til side for personen, blir prøvd igjen med en gang, og "
            "kalenderen blir sett over. Er det fortsatt noe i veien, blir det lagt til side igjen."
        ),
        (
            "Det som ventar eller er lagt til side for personen, blir prøvd igjen med ein gong, og "
            "kalenderen blir sett over. Er det framleis noko i vegen, blir det lagt til side igjen."
        ),
        (
            "What waits or was laid aside for the person is tried again at once, and the calendar is "
            "looked over. Where something is still in the way, it is laid aside again."
        ),
    ),
    "wish.retry.button": ("Prøv igjen", "Prøv igjen", "Try again"),
    "wish.retry.done": (
        "Oppgaver som blir prøvd igjen nå: {count}.",
        "Oppgåver som blir prøvde igjen no: {count}.",
        "Pieces of work that are tried again now: {count}.",
    ),
    "wish.out.title": ("La personen være", "La personen vere", "Leave the person alone"),
    "wish.out.will": (
        (
            "Alt Kalender har skrevet til personen, blir fjernet ({entries} oppføringer er notert), "
            "og ingenting nytt blir skrevet før noen ber om det igjen."
        ),
        (
            "Alt Kalender har skrive til personen, blir fjerna ({entries} oppføringar er noterte), "
            "og ingenting nytt blir skrive før nokon bed om det igjen."
        ),
        (
            "All that Kalender wrote to the person is taken back ({entries} entries are recorded), "
            "and nothing new is written until somebody asks for it again."
        ),
    ),
    "wish.out.button": (
        "Fjern, og la personen være",
        "Fjern, og la personen vere",
        "Take back, and leave alone",
    ),
    "wish.out.done": (
        "Personen er reservert. En arbeidsprosess fjerner det som er skrevet.",
        "Personen er reservert. Ein arbeidsprosess fjernar det som er skrive.",
        "The person opted out. A worker takes back what was written.",
    ),
    "wish.in.title": (
        "Skriv til personen igjen",
        "Skriv til personen igjen",
        "Serve the person again",
    ),
    "wish.in.will": (
        (
            "Ønsket om å være i fred blir glemt, og kalenderen blir fylt igjen. Det går foran lister "
            "som nevner personen (nå: {lists}), til en liste slipper personen og tar hen med på nytt."
        ),
        (
            "Ønsket om å vere i fred blir gløymt, og kalenderen blir fylt igjen. Det går framfor "
            "lister som nemner personen (no: {lists}), til ei liste slepp personen og tek hen med på "
            "nytt."
        ),
        (
            "The wish to be left alone is forgotten, and the calendar is filled again. That counts "
            "before lists that name the person (now: {lists}), until a list lets go of the person "
            "and names them anew."
        ),
    ),
    "wish.no_lists": ("ingen", "ingen", "none"),
    "wish.in.button": ("Skriv igjen", "Skriv igjen", "Serve again"),
    "wish.in.done": (
        "Personen er ikke lenger reservert. En arbeidsprosess fyller kalenderen.",
        "Personen er ikkje lenger reservert. Ein arbeidsprosess fyller kalenderen.",
        "The person is served again. A worker fills the calendar.",
    ),
    "acts.heading": (
        "Det noen har bedt om",
        "Det nokon har bede om",
        "What somebody asked for",
    ),
    "acts.none": (
        "Ingen har bedt om noe som loggen fortsatt har.",
        "Ingen har bede om noko som loggen framleis har.",
        "Nobody asked for anything that the log still has.",
    ),
    "acts.at": ("Når", "Når", "When"),
    "acts.who": ("Hvem", "Kven", "Who"),
    "acts.what": ("Hva", "Kva", "What"),
    "acts.why": ("Hvorfor", "Kvifor", "Why"),
    "act.resync --person": ("spurt på nytt", "spurd på nytt", "asked again"),
    "act.verify": ("kontroll av kalenderen", "kontroll av kalenderen", "check of the calendar"),
    "act.retry": ("prøvd igjen", "prøvd igjen", "tried again"),
    "act.optout add": ("reservert", "reservert", "opted out"),
    "act.optout remove": ("ikke lenger reservert", "ikkje lenger reservert", "served again"),
    "act.optout sync add": (
        "reservert av en liste",
        "reservert av ei liste",
        "opted out by a list",
    ),
    "act.optout sync remove": (
        "ikke lenger på en liste",
        "ikkje lenger på ei liste",
        "no longer on a list",
    ),
    "act.remove": ("alt fjernet", "alt fjerna", "all taken back"),
    "act.brake set": ("brems satt på", "brems sett på", "brake set"),
    "act.brake release": ("brems løst ut", "brems løyst ut", "brake released"),
    "act.brake end": ("brems av igjen", "brems av igjen", "brake off again"),
    "act.language set": ("annet språk", "anna språk", "another language"),
}
