"""The peers' programs, in an environment of their own."""

from tests.environments import Environment

PEERS = Environment(
    ".venv-peers",
    ("vdirsyncer==0.21.0", "radicale==3.9.0", "pgqueuer==1.6.0", "asyncpg==0.32.0"),
)
program = PEERS.program
