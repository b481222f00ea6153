"""Names of days and months."""

from typing import Final

WORDS: Final = {
    "day.1": ("mandag", "måndag", "Monday"),
    "day.2": ("tirsdag", "tysdag", "Tuesday"),
    "day.3": ("onsdag", "onsdag", "Wednesday"),
    "day.4": ("torsdag", "torsdag", "Thursday"),
    "day.5": ("fredag", "fredag", "Friday"),
    "day.6": ("lørdag", "laurdag", "Saturday"),
    "day.7": ("søndag", "sundag", "Sunday"),
    "day.of_month": ("{day}. {month}", "{day}. {month}", "{day} {month}"),
    "month.1": ("januar", "januar", "January"),
    "month.2": ("februar", "februar", "February"),
    "month.3": ("mars", "mars", "March"),
    "month.4": ("april", "april", "April"),
    "month.5": ("mai", "mai", "May"),
    "month.6": ("juni", "juni", "June"),
    "month.7": ("juli", "juli", "July"),
    "month.8": ("august", "august", "August"),
    "month.9": ("september", "september", "September"),
    "month.10": ("oktober", "oktober", "October"),
    "month.11": ("november", "november", "November"),
    "month.12": ("desember", "desember", "December"),
}
