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
    "wish.reason": ("Hvorfor?", "Kvifor?", "Why?"),
    "wish.no_reason": (
        "Feltet må fylles ut.",
        "Feltet må fyllast ut.",
        "The field must be filled in.",
    ),
    "wish.believe.title": ("Stol på FS", "Stol på FS", "Believe FS"),
    "wish.believe.will": (
        (
            "FS lister ikke lenger noe om personen, og det som står i kalenderen, holdes til FS er "
            "spurt en gang til. Nå blir FS spurt med en gang, og er svaret det samme, blir alt "
            "fjernet fra kalenderen."
        ),
        (
            "FS listar ikkje lenger noko om personen, og det som står i kalenderen, blir halde til "
            "FS er spurd ein gong til. No blir FS spurd med ein gong, og er svaret det same, blir "
            "alt fjerna frå kalenderen."
        ),
        (
            "FS lists nothing about the person any more, and what stands in the calendar is held "
            "until FS was asked once more. Now FS is asked at once, and where the answer is the "
            "same, all is removed from the calendar."
        ),
    ),
    "wish.believe.button": (
        "Spør, og stol på svaret",
        "Spør, og stol på svaret",
        "Ask, and believe it",
    ),
    "wish.believe.done": (
        "FS blir spurt en gang til, og svaret gjelder.",
        "FS blir spurd ein gong til, og svaret gjeld.",
        "FS will be asked once more, and the answer counts.",
    ),
    "wish.believe.over": (
        "Ingenting holdes lenger for personen.",
        "Ingenting blir halde lenger for personen.",
        "Nothing is held for the person any more.",
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
    "wish.until": ("Til når?", "Til når?", "Until when?"),
    "wish.until_hint": (
        "Tiden er i {zone}. Står feltet tomt, varer pausen til noen avslutter den.",
        "Tida er i {zone}. Står feltet tomt, varer pausen til nokon avsluttar han.",
        "The time is in {zone}. Where it is empty, the pause lasts until somebody ends it.",
    ),
    "wish.pause.title": ("Sett på pause", "Set på pause", "Pause"),
    "wish.pause.will": ("{will}", "{will}", "{will}"),
    "wish.pause.neighbour": (
        (
            "Ingenting blir spurt om eller skrevet der før pausen er over. Det som er i gang, blir "
            "gjort ferdig. Endringer blir fortsatt notert, og blir gjort etterpå; ingenting går tapt."
        ),
        (
            "Ingenting blir spurt om eller skrive der før pausen er over. Det som er i gang, blir "
            "gjort ferdig. Endringar blir framleis noterte, og blir gjorde etterpå; ingenting går "
            "tapt."
        ),
        (
            "Nothing is asked or written there until the pause is over. What is under way is "
            "finished. Changes are still noted, and are done afterwards; nothing is lost."
        ),
    ),
    "wish.pause.bulk": (
        (
            "Nye kalendere blir ikke fylt, og ingen gjennomgang eller kontroll blir gjort før pausen "
            "er over. Endringer som det blir meldt fra om, går som før."
        ),
        (
            "Nye kalendrar blir ikkje fylte, og ingen gjennomgang eller kontroll blir gjord før "
            "pausen er over. Endringar som det blir meldt frå om, går som før."
        ),
        (
            "New calendars are not filled, and no resync or check is done until the pause is over. "
            "Changes that are announced go on as before."
        ),
    ),
    "wish.pause.moves": (
        (
            "Ingen postboks som flytter, blir fulgt til et annet Exchange før pausen er over. Alt "
            "annet går som før."
        ),
        (
            "Ingen postboks som flyttar, blir følgd til eit anna Exchange før pausen er over. Alt "
            "anna går som før."
        ),
        (
            "No mailbox that moves is followed to another Exchange until the pause is over. All "
            "else goes on as before."
        ),
    ),
    "wish.pause.button": ("Sett på pause", "Set på pause", "Pause"),
    "wish.pause.done": (
        "Pausen gjelder innen få sekunder.",
        "Pausen gjeld innan få sekund.",
        "The pause holds within seconds.",
    ),
    "wish.pause.past": (
        "Pausen må slutte i framtiden. La feltet stå tomt om slutten ikke er kjent.",
        "Pausen må slutte i framtida. Lat feltet stå tomt om slutten ikkje er kjend.",
        "The pause must end in the future. Leave the field empty where its end is not known.",
    ),
    "wish.resume.title": ("Ta i bruk igjen", "Ta i bruk igjen", "Resume"),
    "wish.resume.will": (
        (
            "En pause som noen har satt, blir avsluttet. Svarte den andre siden ikke, eller avviste "
            "den oss, prøver én forespørsel med en gang. Blir den avvist igjen, ventes det opptil "
            "30 minutter."
        ),
        (
            "Ein pause som nokon har sett, blir avslutta. Svara den andre sida ikkje, eller avviste "
            "ho oss, prøver éin førespurnad med ein gong. Blir han avvist igjen, blir det venta "
            "opptil 30 minutt."
        ),
        (
            "A pause that somebody made ends. Where the other side did not answer or refused us, "
            "one request tries at once; refused again, it is left alone for up to 30 minutes."
        ),
    ),
    "wish.resume.button": ("Ta i bruk igjen", "Ta i bruk igjen", "Resume"),
    "wish.resume.done": (
        "Den blir tatt i bruk igjen innen få sekunder, eller prøvd innen et minutt.",
        "Han blir teken i bruk igjen innan få sekund, eller prøvd innan eitt minutt.",
        "It is in use again within seconds, or tried within a minute.",
    ),
    "wish.resume.over": (
        "Den er ikke satt på pause, og har verken sviktet eller avvist oss i det siste.",
        "Han er ikkje sett på pause, og har korkje svikta eller avvist oss i det siste.",
        "It is not paused by hand, and neither failed nor refused us lately.",
    ),
    "wish.release.title": ("Løs ut bremsen", "Løys ut bremsa", "Release the brake"),
    "wish.release.will": ("{will}", "{will}", "{will}"),
    "wish.release.button": ("Løs ut bremsen", "Løys ut bremsa", "Release the brake"),
    "wish.release.done": (
        "Bremsen er løst ut. Arbeidsprosesser gjør det den holdt tilbake.",
        "Bremsa er løyst ut. Arbeidsprosessar gjer det ho heldt tilbake.",
        "The brake is released. Workers do what it held back.",
    ),
    "wish.release.institution": (
        (
            "Oppføringer som blir fjernet: {held} (personer: {people}). Like mange kan fjernes det "
            "neste døgnet."
        ),
        (
            "Oppføringar som blir fjerna: {held} (personar: {people}). Like mange kan fjernast det "
            "neste døgnet."
        ),
        (
            "Entries that are removed: {held} (persons: {people}). As many may be removed within "
            "the next day."
        ),
    ),
    "wish.release.hand": (
        (
            "Oppføringer som blir fjernet: {held} (personer: {people}). Senere slettinger går "
            "igjennom."
        ),
        (
            "Oppføringar som blir fjerna: {held} (personar: {people}). Seinare slettingar går "
            "igjennom."
        ),
        "Entries that are removed: {held} (persons: {people}). Later deletes go through.",
    ),
    "wish.release.course": (
        (
            "TP blir spurt en gang til, og svaret gjelder. Oppføringer som blir fjernet hvis TP "
            "fortsatt sier det samme: {held} (personer: {people})."
        ),
        (
            "TP blir spurd ein gong til, og svaret gjeld. Oppføringar som blir fjerna dersom TP "
            "framleis seier det same: {held} (personar: {people})."
        ),
        (
            "TP is asked once more, and believed. Entries that are removed where it still says so: "
            "{held} (persons: {people})."
        ),
    ),
    "wish.release.calendar": (
        "Det som er nytt i denne ene kalenderen, blir skrevet, enda det er svært mye.",
        "Det som er nytt i denne eine kalenderen, blir skrive, endå det er svært mykje.",
        "What is new in this one calendar is written, although it is very much.",
    ),
    "wish.release.optout": (
        (
            "Listen gjelder. Personer som blir reservert: {alone}; oppføringer som blir fjernet hos "
            "dem: {entries}. Personer som får undervisningen i kalenderen igjen: {returning}."
        ),
        (
            "Lista gjeld. Personar som blir reserverte: {alone}; oppføringar som blir fjerna hos "
            "dei: {entries}. Personar som får undervisninga i kalenderen igjen: {returning}."
        ),
        (
            "The list counts. Persons who are left alone: {alone}; entries of theirs that are "
            "removed: {entries}. Persons who are served again: {returning}."
        ),
    ),
    "wish.release.events": ("Det som går", "Det som går", "What goes"),
    "wish.release.event": ("Undervisning", "Undervisning", "Teaching"),
    "wish.release.starts": ("Begynner", "Byrjar", "Begins"),
    "wish.release.people": ("Personer", "Personar", "Persons"),
    "wish.release.persons": ("Hvem det gjelder", "Kven det gjeld", "Whom it concerns"),
    "wish.release.more": ("… og {count} til.", "… og {count} til.", "… and {count} more."),
    "wish.release.over": (
        "Ingen slik brems holder noe nå.",
        "Inga slik brems held noko no.",
        "No such brake holds anything now.",
    ),
    "wish.release.changed": (
        "Bremsen holder noe annet enn da siden ble vist. Se en gang til.",
        "Bremsa held noko anna enn då sida vart vist. Sjå ein gong til.",
        "The brake holds something else than when the page was shown. Look once more.",
    ),
    "page.operations": ("Pauser og bremser", "Pausar og bremser", "Pauses and brakes"),
    "operations.title": ("Pauser og bremser", "Pausar og bremser", "Pauses and brakes"),
    "operations.brakes": ("Bremser som holder", "Bremser som held", "Brakes that hold"),
    "operations.no_brakes": (
        "Ingen brems holder noe: slettinger går igjennom.",
        "Inga brems held noko: slettingar går igjennom.",
        "No brake holds anything: deletes go through.",
    ),
    "operations.persons": (
        "Holdes noe for én person fordi FS ikke lister noe lenger, står det på personens side.",
        "Blir noko halde for éin person fordi FS ikkje listar noko lenger, står det på sida om personen.",
        "What is held of one person, since FS lists nothing any more, stands on the person's page.",
    ),
    "operations.neighbours": (
        "Det Kalender snakker med",
        "Det Kalender snakkar med",
        "What Kalender talks to",
    ),
    "operations.scope": ("Gjelder", "Gjeld", "Scope"),
    "operations.since": ("Siden", "Sidan", "Since"),
    "operations.held": ("Holdt", "Heldt", "Held"),
    "operations.people": ("Personer", "Personar", "Persons"),
    "operations.why": ("Hvorfor", "Kvifor", "Why"),
    "operations.do": ("Gjør", "Gjer", "Do"),
    "operations.name": ("Navn", "Namn", "Name"),
    "operations.state": ("Tilstand", "Tilstand", "State"),
    "operations.brake.institution": (
        "slettinger i alle kalendere: det ble for mange på et døgn",
        "slettingar i alle kalendrar: det vart for mange på eit døgn",
        "deletes in all calendars: there were too many within a day",
    ),
    "operations.brake.hand": (
        "slettinger i alle kalendere: satt på for hånd",
        "slettingar i alle kalendrar: sett på for hand",
        "deletes in all calendars: set by hand",
    ),
    "operations.brake.course": (
        "undervisning som er borte fra TP",
        "undervisning som er borte frå TP",
        "teaching that is gone from TP",
    ),
    "operations.brake.calendar": (
        "svært mye nytt i én kalender",
        "svært mykje nytt i éin kalender",
        "very much that is new in one calendar",
    ),
    "operations.brake.optout": (
        "endringer i en liste over personer",
        "endringar i ei liste over personar",
        "changes of a list of persons",
    ),
    "operations.what.bulk": (
        "fylling, gjennomganger og kontroller",
        "fylling, gjennomgangar og kontrollar",
        "fills, resyncs and checks",
    ),
    "operations.what.moves": (
        "postbokser som flytter",
        "postboksar som flyttar",
        "mailboxes that move",
    ),
    "operations.until": ("til", "til", "until"),
    "operations.for_ever": (
        "til noen tar den i bruk igjen",
        "til nokon tek han i bruk igjen",
        "until resumed",
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
