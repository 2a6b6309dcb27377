"""LangChain's `create_agent`: `langchain_agent.py URL FOLDER none|memory|sqlite`."""

import sys
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from observation import PROMPT, SYSTEM, TEXT


@tool
def look(name: str) -> str:
    """Look at a file.

    Args:
        name: the file's name.
    """
    return TEXT


def main(url: str, folder: str, checkpoints: str) -> None:
    saver = None
    if checkpoints == "memory":
        from langgraph.checkpoint.memory import InMemorySaver

        saver = InMemorySaver()
    if checkpoints == "sqlite":
        import sqlite3

        from langgraph.checkpoint.sqlite import SqliteSaver

        path = Path(folder) / "checkpoints.sqlite"
        saver = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
    model = ChatOpenAI(model="bench", base_url=url, api_key="none", max_retries=0)
    agent = create_agent(model, [look], system_prompt=SYSTEM, checkpointer=saver)
    config = {"recursion_limit": 10_000, "configurable": {"thread_id": "1"}}
    agent.invoke({"messages": [{"role": "user", "content": PROMPT}]}, config)


main(*sys.argv[1:])
