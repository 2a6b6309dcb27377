"""Which tools a model is given."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.model import Model
from agent.models.llama import LlamaModel
from assistant.sections import Tools
from tools.plugins import plugins
from tools.registry import Profile, default_tools
from tools.tool import Tool
from tools.web import Web
from tools.web_fetch import web_fetch
from tools.web_search import web_search


@dataclass
class Toolbox:
    """Chooses them; the web is only there where there is one."""

    setting: Tools
    web: Web
    say: Callable[[str], None]
    """Is told of the tools of other packages that cannot be used."""

    def tools(self, model: Model) -> tuple[Tool, ...]:
        """Those for a model."""
        if self._profile(model) == "compact":
            return default_tools("compact")
        fetch = (web_fetch,) if self.web.network else ()
        ours = (*default_tools("full"), *fetch, *((web_search,) if self.web.engine else ()))
        # The names of the web's tools are ours even where there is none.
        taken = (*(tool.name for tool in ours), web_fetch.name, web_search.name)
        return (*ours, *plugins(taken, self.say))

    def _profile(self, model: Model) -> Profile:
        if self.setting != "auto":
            return self.setting
        return "compact" if isinstance(model, LlamaModel) else "full"
