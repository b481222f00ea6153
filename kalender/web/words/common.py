"""The words that stand around every page, and those of errors."""

from typing import Final

WORDS: Final = {
    "site.name": ("Kalender", "Kalender", "Kalender"),
    "site.skip": ("Gå til innholdet", "Gå til innhaldet", "Skip to the content"),
    "site.pages": ("Sider", "Sider", "Pages"),
    "site.language": ("Språk", "Språk", "Language"),
    "site.sign_out": ("Logg ut", "Logg ut", "Sign out"),
    "site.signed_in": (
        "Innlogget som {who} ({role})",
        "Innlogga som {who} ({role})",
        "Signed in as {who} ({role})",
    ),
    "site.role.1": ("status", "status", "status"),
    "site.role.2": ("brukerstøtte", "brukarstøtte", "help desk"),
    "site.role.3": ("drift", "drift", "operator"),
    "site.yes": ("ja", "ja", "yes"),
    "site.no": ("nei", "nei", "no"),
    "enter.title": ("Du er logget inn", "Du er logga inn", "You are signed in"),
    "enter.go_on": ("Gå til siden", "Gå til sida", "Go on to the page"),
    "left.title": ("Du er logget ut", "Du er logga ut", "You are signed out"),
    "left.text": (
        "Du kan lukke vinduet.",
        "Du kan lukke vindauget.",
        "You can close the window.",
    ),
    "error.title": ("Siden kan ikke vises", "Sida kan ikkje visast", "The page cannot be shown"),
    "error.home": ("Til forsiden", "Til framsida", "To the first page"),
    "error.no_session": (
        (
            "Du er ikke logget inn. Start «kalender web» på nytt, og åpne adressen som "
            "kommandoen skriver ut. Adressen virker én gang."
        ),
        (
            "Du er ikkje logga inn. Start «kalender web» på nytt, og opne adressa som "
            "kommandoen skriv ut. Adressa verkar éin gong."
        ),
        (
            "You are not signed in. Start “kalender web” anew, and open the address that the "
            "command prints. The address works once."
        ),
    ),
    "error.sign_in": (
        "Innloggingen kunne ikke fullføres. Begynn på nytt fra forsiden.",
        "Innlogginga kunne ikkje fullførast. Byrj på nytt frå framsida.",
        "The sign-in could not be completed. Begin anew from the first page.",
    ),
    "error.proxy": (
        "Tjenesten foran Kalender sa ikke hvem du er, slik den skal.",
        "Tenesta framfor Kalender sa ikkje kven du er, slik ho skal.",
        "The proxy in front of Kalender did not say who you are, as it must.",
    ),
    "error.no_role": (
        "Du er kjent, men ingen av gruppene dine gir tilgang her.",
        "Du er kjend, men ingen av gruppene dine gir tilgang her.",
        "You are known, but none of your groups gives access here.",
    ),
    "error.provider": (
        "Innloggingstjenesten svarer ikke. Prøv igjen om litt.",
        "Innloggingstenesta svarer ikkje. Prøv igjen om litt.",
        "The sign-in service does not answer. Try again in a moment.",
    ),
    "error.role": (
        "Rollen din gir ikke tilgang til denne siden.",
        "Rolla di gir ikkje tilgang til denne sida.",
        "Your role does not give access to this page.",
    ),
    "error.not_found": (
        "Det er ingenting på denne adressen.",
        "Det er ingenting på denne adressa.",
        "There is nothing at this address.",
    ),
    "error.method": (
        "Siden kan ikke brukes på den måten.",
        "Sida kan ikkje brukast på den måten.",
        "The page cannot be used in that way.",
    ),
    "error.form": (
        "Skjemaet er for gammelt, eller kommer ikke herfra. Last siden på nytt, og prøv igjen.",
        "Skjemaet er for gammalt, eller kjem ikkje herifrå. Last sida på nytt, og prøv igjen.",
        "The form is too old, or is not from here. Reload the page, and try again.",
    ),
    "error.too_large": (
        "Skjemaet er for stort.",
        "Skjemaet er for stort.",
        "The form is too large.",
    ),
    "error.too_many": (
        "Det er gjort for mange oppslag det siste minuttet. Vent et minutt, og prøv igjen.",
        "Det er gjort for mange oppslag det siste minuttet. Vent eit minutt, og prøv igjen.",
        "There were too many look-ups within the last minute. Wait a minute, and try again.",
    ),
    "error.too_fast": (
        "Det er bedt om for mange sider på kort tid. Vent litt, og prøv igjen.",
        "Det er bede om for mange sider på kort tid. Vent litt, og prøv igjen.",
        "Too many pages were asked for within a short time. Wait a little, and try again.",
    ),
    "error.database": (
        "Databasen svarer ikke. Ingenting er gått tapt; prøv igjen om litt.",
        "Databasen svarer ikkje. Ingenting er gått tapt; prøv igjen om litt.",
        "The database does not answer. Nothing is lost; try again in a moment.",
    ),
    "error.grant": (
        (
            "Databasen lar ikke «kalender web» gjøre det. Ingenting er gjort. Den som driver "
            "Kalender, må kjøre roles.sql på nytt; loggen sier hva som mangler."
        ),
        (
            "Databasen lèt ikkje «kalender web» gjere det. Ingenting er gjort. Den som driv "
            "Kalender, må køyre roles.sql på nytt; loggen seier kva som manglar."
        ),
        (
            "The database does not let “kalender web” do that. Nothing was done. Whoever runs "
            "Kalender must run roles.sql again; the log says what is missing."
        ),
    ),
    "error.ours": (
        "Noe gikk galt hos oss. Loggen til «kalender web» sier hva.",
        "Noko gjekk gale hos oss. Loggen til «kalender web» seier kva.",
        "Something went wrong here. The log of “kalender web” says what.",
    ),
}
