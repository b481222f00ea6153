"""Lets people into the roll-out, or out of it, as plans say; pauses a plan at the first trouble."""

import structlog
from sqlalchemy import Connection

from kalender.domain.neighbour import exchange
from kalender.neighbours import breaker, credentials
from kalender.store import acts, rollout_plans
from kalender.store.rollout_plans import RolloutPlan
from kalender.worker.context import WorkerContext

log = structlog.get_logger()


def advance_plans(context: WorkerContext) -> None:
    """Look at each plan whose time has come; whoever of several workers comes first does it."""
    if context.reconcile_context.rollout_mode != "listed":
        return  # the list says nothing
    with context.database.read() as connection:
        if not rollout_plans.is_any_due(connection):
            return
    with context.database.write() as connection:
        for plan in rollout_plans.take_due(connection):
            _advance(connection, plan)


def _advance(connection: Connection, plan: RolloutPlan) -> None:
    if plan.state == rollout_plans.PLANNED:
        plan, count = rollout_plans.begin(connection, plan)
        log.info("rollout_begun", plan=plan.plan_id, act=plan.act, calendars=count)
    reasons = _troubles(connection, plan)
    rollout_plans.settle(connection, plan)
    if plan.state == rollout_plans.PAUSED:
        rollout_plans.look_later(connection, plan)
        return
    if reasons:
        reason = "; ".join(reasons)
        rollout_plans.pause(connection, plan, reason=reason, who=acts.SERVICE)
        log.warning("rollout_paused", plan=plan.plan_id, reason=reason)
        return
    rollout_plans.give(connection, plan)
    waiting, unsettled = rollout_plans.unsettled(connection, plan)
    if waiting or unsettled or rollout_plans.line_up(connection, plan):
        rollout_plans.look_later(connection, plan, unsettled=unsettled)
        return
    rollout_plans.finish(connection, plan)
    log.info("rollout_done", plan=plan.plan_id, act=plan.act)


def _troubles(connection: Connection, plan: RolloutPlan) -> list[str]:
    """Return in words what went wrong since the plan began or was resumed."""
    reasons = [
        rollout_plans.TROUBLES[word].format("1 calendar" if count == 1 else f"{count} calendars")
        for word, count in rollout_plans.note_troubles(connection, plan).items()
    ]
    brake = rollout_plans.new_brake(connection, plan)
    if brake is not None:
        reasons.append(f"the brake {brake} holds")
    names = [exchange(backend) for backend in rollout_plans.backends(connection, plan)]
    for name, row in sorted(breaker.read(connection, names).items()):
        if breaker.waits(row) or breaker.is_left_alone(row):
            reasons.append(f"{name} is paused")
        elif credentials.refuses(row):
            reasons.append(f"{name} refuses our credentials")
    return reasons
