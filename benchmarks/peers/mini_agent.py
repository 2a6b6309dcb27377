"""mini-swe-agent's default agent, its trajectory saved as its command does: `… URL FOLDER`."""

import os
import sys
from pathlib import Path

os.environ |= {"MSWEA_SILENT_STARTUP": "1", "MSWEA_COST_TRACKING": "ignore_errors"}
# Prices come with the package; otherwise it asks a server on the internet for them.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel
from observation import PROMPT, SYSTEM, TEXT


class Instant(LocalEnvironment):
    """Its own environment, without the process that each command costs."""

    def execute(self, action: dict, cwd: str = "", *, timeout: int | None = None) -> dict:
        command = action["command"]
        text = command.removeprefix("echo ") if command.startswith("echo ") else TEXT
        output = {"output": text, "returncode": 0, "exception_info": ""}
        self._check_finished(output)
        return output


def main(url: str, folder: str) -> None:
    model = LitellmModel(
        model_name="openai/bench", model_kwargs={"api_base": url, "api_key": "none"}
    )
    agent = DefaultAgent(
        model,
        Instant(),
        system_template=SYSTEM,
        instance_template="{{task}}",
        output_path=Path(folder) / "trajectory.json",
    )
    agent.run(PROMPT)


main(*sys.argv[1:])
