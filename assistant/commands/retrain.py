"""Train the student on what was collected; it is swapped in only if it is better.

A run that was stopped or killed goes on from the last stage that it finished.

examples:
  assistant retrain
  assistant retrain --yes --set recipe.epochs=1
  assistant retrain --tasks 100
"""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from agent.store import Store
from assistant.config import Config
from assistant.driver import open_weights
from assistant.install import require_training
from assistant.progress import Stages
from assistant.student import make
from distillation.rollout import rollout
from training.recipe import Recipe
from training.registry import Registry
from training.retrain import Conduct, retrain


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--yes", action="store_true", help="install missing training parts without asking"
    )
    parser.add_argument("--tasks", type=int, default=40, help="held-out tasks to compare on")


def run(options: Namespace, config: Config) -> int:
    """Retrain and show what it came to; 0 also if the old student was kept."""
    recipe = config.recipe.changed({}, "the settings: recipe")
    require_training(config.home / "install.log", yes=options.yes)
    return asyncio.run(_retrain(options, config, recipe))


async def _retrain(options: Namespace, config: Config, recipe: Recipe) -> int:
    store, registry = Store(config.home / "episodes.db"), Registry(config.home)
    if registry.active_id() is None:
        make(registry)
    stages = Stages(sys.stdout)
    conduct = Conduct(
        lambda weights: open_weights(weights, config.models),
        tasks=options.tasks,
        play=partial(rollout, choice=config.sandbox.choice),
    )
    try:
        outcome = await retrain(store, registry, config.home, recipe, stages.tell, conduct)
    finally:
        stages.end()
        store.close()
    sys.stdout.write(f"{outcome.decision.sentence}\n")
    return 0
