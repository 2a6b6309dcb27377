"""What the student says where nothing is to be repaired: who it is, and what it cannot do."""

from random import Random

from agent.message import assistant, system, user
from agent.prompt import system_prompt
from distillation.example import Example
from tools.registry import default_tools
from tools.tool import schema

WHO = (
    "I am a small student: I repair small Python programs through tools. Tell me that a test "
    "fails, and I find the bug and fix it. For other work use a bigger model: pull one with "
    "`assistant models pull`, or set a key."
)
CANNOT = (
    "I cannot do that: I am a small student and only repair small Python programs whose tests "
    "fail. For other work use a bigger model: pull one with `assistant models pull`, or set a key."
)
THANKS = "Gladly. Tell me when a test fails."

_WHO = (
    "Hello", "hi", "Hello!", "hey", "Hi there", "good morning", "Who are you?", "what are you",
    "What can you do?", "what can you do", "help", "Help me", "How do you work?", "hello, who is this?",
    "What is this?", "Are you Claude?", "are you chatgpt?", "which model are you", "What model is this?",
    "What do you do?", "Introduce yourself.", "what are your skills", "How can you help me?", "?",
    "Can you help me?", "What are you good at?", "Tell me about yourself", "test", "Are you there?",
)  # fmt: skip
_ASKED = (
    "Write a poem about {a}.", "Tell me a joke about {a}", "What is the capital of {a}?",
    "Explain {a} to me.", "Write a web server in {b}.", "Translate this into {b}", "How old is the {a}?",
    "Write a {b} program that prints {a}.", "Create a website for my {a}", "What is {a}?",
    "who invented the {a}", "Write an essay about the {a} and the {a}.", "What is the weather in {a}?",
    "Make a plan for {a}", "Refactor the whole project to {b}.", "Add a new feature: {a}",
    "Write documentation for {a}.", "Install {b} on my machine", "Summarise the book about {a}.",
    "What do you think of {a}?", "Calculate 17 times 23", "Solve this equation", "How do I cook {a}?",
    "Deploy it to {b}", "commit my changes", "Open a pull request", "Search the web for {a}.",
    "Implement a {a} class with a {b} interface.", "why is the sky blue", "Draw a {a}",
    "Convert this project from {b} to {b}.", "Write unit tests for {a}.", "Set up {b} for me",
)  # fmt: skip
_THANKED = ("thanks", "Thank you!", "thank you", "Great, thanks.", "good job", "ok", "nice", "bye", "cool")
_THINGS = (
    "dog rain France music history love Japan physics moon sea Python flower train summer tea war "
    "bread city clock mountain river cat winter Berlin stock bird planet game school money Linux"
).split()
_TOOLS = "Rust Java German React Docker Go French Kubernetes SQL Spanish C++ Node Haskell AWS".split()


def chat(seed: int) -> Example:
    """A question that is no repair, and the answer."""
    random = Random(f"chat {seed}")
    kind, said = random.choice(
        ((_WHO, WHO), (_ASKED, CANNOT), (_ASKED, CANNOT), (_THANKED, THANKS))
    )
    text = random.choice(kind).format(a=random.choice(_THINGS), b=random.choice(_TOOLS))
    if random.random() < 0.2:
        text = text.lower()
    messages = [system(system_prompt()), user(text), assistant(said)]
    schemas = [schema(tool) for tool in default_tools()]
    return Example(f"chat/{seed}", f"chat/{seed}", messages, schemas, [False, False, True])
