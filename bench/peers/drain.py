"""Run in the peers' environment: pgqueuer takes and finishes so many jobs that do nothing.

    python drain.py postgresql://... JOBS BATCH_SIZE

installs it into an empty database, enqueues, drains, and prints as JSON what draining took by the
clock and of the processor, and what the tables say was done. Driver and loop are those that its
own documents and its own command use.
"""

import json
import sys
from time import perf_counter, process_time

import asyncpg  # type: ignore[import-not-found]  # none of these is in our environment
import uvloop
from pgqueuer.db import AsyncpgDriver  # type: ignore[import-not-found]
from pgqueuer.qm import QueueManager  # type: ignore[import-not-found]
from pgqueuer.queries import Queries  # type: ignore[import-not-found]
from pgqueuer.types import QueueExecutionMode  # type: ignore[import-not-found]


async def nothing(_: object) -> None:
    """Do a job."""


async def main(url: str, jobs: int, batch_size: int) -> dict[str, float]:
    """Return seconds and counts."""
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    await queries.enqueue(["nothing"] * jobs, [None] * jobs, [0] * jobs)
    manager = QueueManager(queries)
    manager.entrypoint("nothing")(nothing)
    begun, used = perf_counter(), process_time()
    await manager.run(batch_size=batch_size, mode=QueueExecutionMode.drain)
    took = {"wall": perf_counter() - begun, "cpu": process_time() - used}
    finished = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
    return took | {
        "finished": await connection.fetchval(finished),
        "left": await connection.fetchval("SELECT count(*) FROM pgqueuer"),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
