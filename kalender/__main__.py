"""`python -m kalender`: the same as the command `kalender`."""

from kalender.cli import main

if __name__ == "__main__":
    main()
