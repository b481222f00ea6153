"""A predecessor of Kalender: a service that kept calendars before, and knows nothing of Kalender.

It writes a term into the sandbox's mailboxes with a mark of its own, a named property; what it
writes looks as such services write it. `python -m tests.takeover` takes many of its calendars over.
"""
