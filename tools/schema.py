"""A tool as a model sees it: OpenAI's form, which chat templates take too."""

from typing import Literal, TypedDict

from tools.call import JSON


class FunctionSchema(TypedDict):
    """Name, description and parameters (a JSON schema) of a tool."""

    name: str
    description: str
    parameters: dict[str, JSON]


class ToolSchema(TypedDict):
    """One element of a request's `tools`."""

    type: Literal["function"]
    function: FunctionSchema
