"""Kalender beside what others made for like work, in interleaved pairs, for `make bench-peers`.

vdirsyncer with radicale keeps calendars equal to files; pgqueuer hands out work from PostgreSQL.
No figure stands without a proof that the work was done.
"""
