"""smolagents' agent that calls tools: `smol_agent.py URL FOLDER`."""

import sys

from observation import PROMPT, SYSTEM, TEXT
from smolagents import LogLevel, OpenAIModel, ToolCallingAgent, tool


@tool
def look(name: str) -> str:
    """Look at a file.

    Args:
        name: the file's name.
    """
    return TEXT


def main(url: str, folder: str) -> None:
    model = OpenAIModel("bench", api_base=url, api_key="none")
    agent = ToolCallingAgent(
        [look], model, instructions=SYSTEM, max_steps=1000, verbosity_level=LogLevel.OFF
    )
    agent.run(PROMPT)


main(*sys.argv[1:])
