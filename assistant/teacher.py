"""Who takes over from a student that does not get on, as the settings have it."""

import asyncio

from agent.limits import Budget
from agent.models.open import OpenModel
from agent.router import Escalation
from assistant.config import Config
from assistant.driver import open_named
from assistant.models.known import kind
from sandbox.refused import Refused
from tools.tool import Ask


def escalation(config: Config, ask: Ask, budget: Budget | None = None) -> Escalation | None:
    """The terms of the settings; None where they name no teacher.

    Args:
        config: the settings.
        ask: puts a question to the user.
        budget: of an earlier teacher of this session, which the new one goes on spending.

    Raises:
        Refused: the teacher is none that could take over.
    """
    terms = config.escalation
    if not terms.teacher:
        return None
    if terms.teacher in ("student", "reference"):
        raise Refused(
            f"{terms.teacher} cannot take over from the student: name another model, "
            "e.g. --teacher claude."
        )
    # A slip of the pen is told now, and not when the student is stuck.
    kind(config, terms.teacher)

    async def opened() -> OpenModel:
        # A local one reads gigabytes; the prompt stays alive meanwhile.
        return await asyncio.to_thread(open_named, config, terms.teacher)

    return Escalation(terms.teacher, opened, terms.when, budget or Budget(terms.cost), ask)
