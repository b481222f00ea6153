"""Claim what is due, do it, finish, retry or park it; until stopped.

A parent that has imported everything forks the processes and starts anew those that die. In each
process every connection is a thread with a claim of its own (`thread`); the process' first thread
keeps house (`periodic`).
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import structlog

from kalender.errors import NeighbourError, StateInDoubt, ThreadDied
from kalender.liveness import Liveness, Vital, stop_on_signals
from kalender.store import counters, own_database
from kalender.store.database import Key
from kalender.store.heartbeats import doubt
from kalender.worker.context import WorkerContext
from kalender.worker.periodic import run_periodic_tasks
from kalender.worker.thread import WorkerThread

log = structlog.get_logger()
FORK = get_context("fork")
Beside = Callable[[Sequence[Liveness]], None]
IN_DOUBT = 3  # a process' exit code: it is not started anew
DOUBTED = (
    "a worker refuses the database, as its own line says why: nothing is written until you say since "
    f"when: {own_database.RECOVER}"
)


def supervise(
    make: Callable[[], WorkerContext],
    stop: threading.Event,
    *,
    processes: int,
    until_idle: bool = False,
    beside: Beside | None = None,
) -> None:
    """Fork worker processes and start anew those that die, until stopped or all are idle.

    `make` builds what a process needs; it is called after the fork, in the child. `beside` runs in
    a process of its own, and is told when the others last turned. Raises StateInDoubt where the
    database was put back to an earlier state meanwhile.
    """
    liveness = [Liveness() for _ in range(processes)]
    children = {
        _start(make, until_idle, process_liveness): process_liveness
        for process_liveness in liveness
    }
    side = _start_beside(beside, liveness)
    doubted = False
    while children:
        wait([child.sentinel for child in children], timeout=0.5)
        if stop.is_set():  # each time: one that was just forked has not heard the first
            for child in children:
                child.terminate()
        for child in [child for child in children if not child.is_alive()]:
            process_liveness = children.pop(child)
            child.join()
            if child.exitcode == IN_DOUBT:  # the database was put back: all stop
                doubted = True
                stop.set()
            if stop.is_set() or (until_idle and child.exitcode == 0):
                continue
            log.error("worker_died", exit_code=child.exitcode)
            if not stop.wait(1.0):
                children[_start(make, until_idle, process_liveness)] = process_liveness
        if side is not None and not side.is_alive():
            side = _start_beside(beside, liveness)
    if doubted:
        raise StateInDoubt(DOUBTED)


def _start(make: Callable[[], WorkerContext], until_idle: bool, liveness: Liveness) -> BaseProcess:  # noqa: FBT001
    liveness.begin()
    child = FORK.Process(target=_child, args=(make, os.getpid(), until_idle, liveness))
    child.start()
    return child


def _start_beside(beside: Beside | None, liveness: Sequence[Liveness]) -> BaseProcess | None:
    """Start what serves beside the workers; it ends with this process."""
    if beside is None:
        return None
    child = FORK.Process(target=_beside, args=(beside, liveness), daemon=True)
    child.start()
    return child


def _beside(beside: Beside, liveness: Sequence[Liveness]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        beside(liveness)
    except Exception as error:  # multiprocessing would print all that it quotes
        log.critical("crashed", exc_info=error)
        sys.exit(1)


def _child(
    make: Callable[[], WorkerContext],
    parent: int,
    until_idle: bool,  # noqa: FBT001
    liveness: Liveness,
) -> None:
    collect_seldom()
    stop = stop_on_signals()
    try:
        context = replace(make(), liveness=liveness)
        run(context, stop, until_idle=until_idle, orphaned=lambda: os.getppid() != parent)
    except StateInDoubt as error:
        log.error("state_in_doubt", error=str(error))  # noqa: TRY400
        sys.exit(IN_DOUBT)
    except ThreadDied:  # its own line was logged as it died
        sys.exit(1)
    except Exception as error:  # multiprocessing would print all that it quotes
        log.critical("crashed", exc_info=error)
        sys.exit(1)


def collect_seldom() -> None:
    """Let Python look for cycles seldom, and never among what was imported.

    What is read for a thousand calendars is hundreds of thousands of objects without cycles;
    with Python's own thresholds a third of the processor's time went into looking through them,
    and of a listener's a twelfth.
    """
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def run(
    context: WorkerContext,
    stop: threading.Event,
    *,
    until_idle: bool = False,
    orphaned: Callable[[], bool] = lambda: False,
) -> None:
    """Work in this process until stopped, or until nothing is due soon.

    Raises ThreadDied where a hand ended by a bug: the others then finish what they hold.
    """
    hands = [
        Vital(
            WorkerThread(context, f"{context.heartbeat.worker}:{n}", stop).work,
            stop,
            name=f"hand-{n}",
        )
        for n in range(context.connections)
    ]
    for hand in hands:
        hand.start()
    try:
        run_periodic_tasks(context, stop, until_idle=until_idle, orphaned=orphaned)
    finally:
        stop.set()
        for hand in hands:
            hand.join()
        end_well(context)
    if context.reconcile_context.memory.doubt is not None:
        raise context.reconcile_context.memory.doubt
    dead = [hand.name for hand in hands if hand.died]
    if dead:
        raise ThreadDied(f"{', '.join(dead)} died: this process ends, and is started anew")


def end_well(context: WorkerContext) -> None:
    """Give up our turns and say that we ended; of a database in doubt say so, for all others.

    A connection may have broken while nobody used it: the second try has a new one. Where the
    database is away, our turns run out by themselves.
    """
    counts = context.database.counts.take()
    try:
        _say_goodbye(context, counts)
    except NeighbourError:
        try:
            _say_goodbye(context, counts)
        except NeighbourError as error:
            log.warning("ended_untold", neighbour=error.neighbour, error=str(error))


def _say_goodbye(context: WorkerContext, counts: Mapping[Key, float]) -> None:
    memory = context.reconcile_context.memory
    with context.database.write() as connection:
        # Between our doubt and our end, which waits for all hands, `recover` may have come.
        if memory.still_doubts(connection):
            doubt(connection)
            own_database.refuse(connection, str(memory.doubt))
            return
        context.limiters.give_up(connection)
        context.heartbeat.stop(connection)
        counters.add(connection, counts)
    memory.close()
