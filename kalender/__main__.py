"""`python -m kalender` is `kalender`."""

from kalender.cli import main

main()
