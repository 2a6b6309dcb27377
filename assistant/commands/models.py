"""The models that can drive the assistant: what is here, what answers, and what can be had.

A chat that is open takes a new version of the student over at the end of its turn; any other
change is seen by the next chat.

examples:
  assistant models                          everything, with what it costs and needs
  assistant models show qwen-coder-1.5b     one model: format, context, memory, licence, scores
  assistant models use claude               the chat opens with it from now on
  assistant models use v2                   a version of the student; `rollback` goes back
  assistant models pull qwen-coder-1.5b     from the hub; licence and size are shown first
  assistant models pull bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M --name llama
  assistant models add ~/models/mine.gguf --name mine
  assistant models remove mine
  assistant models key anthropic            keep its key in the system's keyring

HF_ENDPOINT is the hub, HF_TOKEN the key to it. A fetch that was cut goes on with the same command.
"""

import getpass
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from agent.keys import forget, keep, key
from agent.models.names import full
from agent.models.open import PROVIDERS, provided
from assistant.config import Config, load
from assistant.models.default import set_default
from assistant.models.facts import facts
from assistant.models.known import kind
from assistant.models.library import GgufFile, Library, chat_header
from assistant.models.listing import Listing
from assistant.models.pull import add, agree, pull
from assistant.models.table import size
from assistant.style import Style
from assistant.untrusted import neutral
from sandbox.refused import Refused
from training.registry import Registry

WHAT = ("list", "show", "use", "rollback", "pull", "add", "remove", "key")


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=WHAT, nargs="?", default="list")
    parser.add_argument("model", nargs="?", default="", help="its name, file, or owner/repo:file")
    parser.add_argument("--name", default="", help="what a model that is pulled or added is called")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--delete", action="store_true", help="take a key out of the keyring")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: Namespace, config: Config) -> int:
    """Do what was said."""
    if options.what not in ("list", "rollback") and not options.model:
        raise Refused(f"Which model? Write `assistant models {options.what} NAME`.")
    work: dict[str, Callable[[Namespace, Config], None]] = {
        "list": _list,
        "show": _show,
        "use": _use,
        "rollback": _rollback,
        "pull": _pull,
        "add": _add,
        "remove": _remove,
        "key": _key,
    }
    work[options.what](options, config)
    return 0


def _list(options: Namespace, config: Config) -> None:
    listing = Listing.of(config)
    if options.json:
        for record in listing.objects():
            _object(record)
    else:
        sys.stdout.write(listing.text(Style.of(sys.stdout)))


def _show(options: Namespace, config: Config) -> None:
    found = facts(config, options.model)
    if options.json:
        _object(found)
        return
    style, width = Style.of(sys.stdout), max(map(len, found))
    for label, value in found.items():
        line = neutral(value).replace("\n", " ")
        sys.stdout.write(f"{style(label.ljust(width), 'dim')}  {line}\n")


def _use(options: Namespace, config: Config) -> None:
    name, what = options.model, kind(config, options.model)
    if what == "preset":
        raise Refused(f"'{name}' is not here yet: `assistant models pull {name}` fetches it.")
    if what == "path":
        path = Path(name.partition(":")[2]).expanduser().absolute()
        chat_header(path)
        # The next chat may open in another folder.
        name = f"local:{path}"
    if what == "version":
        Registry(config.home).promote(name)
        sys.stdout.write(f"The student is now version {name}.\n")
        name = "student"
    if config.chat.model != name:
        set_default(config.home, name)
        sys.stdout.write(f"The chat opens with {name} from now on.\n")
        _tell_of_key(config, name)
        if (set_elsewhere := load().chat.model) != name:
            sys.stderr.write(
                f"But ASSISTANT_CHAT__MODEL says {neutral(set_elsewhere)}: unset it.\n"
            )
    elif what != "version":
        sys.stdout.write(f"The chat opens with {name} already.\n")


def _tell_of_key(config: Config, name: str) -> None:
    """Say at once what would otherwise be said when the chat opens."""
    provider = full(name).partition(":")[0]
    if provider not in PROVIDERS:
        return
    variable = provided(provider, config.models).api_key_env
    if not key(variable):
        sys.stderr.write(
            f"It needs a key: set {variable}, or run `assistant models key {provider}`.\n"
        )


def _rollback(options: Namespace, config: Config) -> None:
    sys.stdout.write(f"The student is version {Registry(config.home).rollback().id} again.\n")


def _pull(options: Namespace, config: Config) -> None:
    _here(pull(config, options.model, options.name, yes=options.yes), options)


def _add(options: Namespace, config: Config) -> None:
    _here(add(config, Path(options.model), options.name), options)


def _here(entry: GgufFile, options: Namespace) -> None:
    if options.json:
        _object(asdict(entry))
    else:
        sys.stdout.write(
            f"'{entry.name}' is here ({size(entry.bytes)}, SHA-256 {entry.sha256[:12]}…): "
            f"`assistant --model {entry.name}`, or `assistant models use {entry.name}`.\n"
        )


def _remove(options: Namespace, config: Config) -> None:
    name, what = options.model, kind(config, options.model)
    if any(version.id == name for version in Registry(config.home).list()):
        # The first version is called `student`, as whatever version is active is.
        what = "version"
    if what not in ("file", "version"):
        raise Refused(f"'{name}' is nothing that takes space here: there is nothing to remove.")
    if name == config.chat.model:
        raise Refused(f"The chat opens with '{name}': `assistant models use` another one first.")
    agree(f"Delete '{name}' from this machine?", yes=options.yes)
    freed = Library(config.home).remove(name) if what == "file" else None
    if freed is None:
        freed = Registry(config.home).remove(name)
    sys.stdout.write(f"'{name}' is deleted ({size(freed)}).\n")


def _key(options: Namespace, config: Config) -> None:
    provider = options.model
    named = {name: each.api_key_env for name, each in config.models.endpoints.items()}
    # Those of the settings are the ones that are looked for.
    own = {name: provided(name, config.models).api_key_env for name in PROVIDERS}
    variable = (named | own).get(provider)
    if not variable:
        raise Refused(
            f"'{provider}' has no key: use {', '.join(PROVIDERS)} or an endpoint with one."
        )
    if options.delete:
        was = forget(variable)
        sys.stdout.write(f"{'The' if was else 'There was no'} key of {provider}")
        sys.stdout.write(" is deleted from the keyring.\n" if was else " in the keyring.\n")
        return
    value = _secret(f"Key of {provider} (is not shown): ")
    if not value:
        raise Refused("No key was given: nothing was done.")
    keep(variable, value)
    sys.stdout.write(f"The key of {provider} is in the keyring; {variable} comes before it.\n")


def _secret(question: str) -> str:
    """From the keyboard without an echo, or from a pipe; never from the command line."""
    if sys.stdin and sys.stdin.isatty():
        try:
            return getpass.getpass(question).strip()
        except EOFError:
            sys.stderr.write("\n")
            return ""
    return sys.stdin.readline().strip() if sys.stdin else ""


def _object(record: object) -> None:
    sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
