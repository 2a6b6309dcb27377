from agent.model import Event, Malformed, Notice, Stop, Text, Thinking, Usage
from assistant.render import Renderer, diff, headline, summary
from assistant.style import Style
from tools.call import JSON, Observation, ToolCall

PLAIN = Style(colours=False)
READ = ToolCall("1", "read_file", {"path": "a.py"})


def shown(*events: Event | Observation) -> tuple[str, Renderer]:
    written: list[str] = []
    renderer = Renderer(written.append, PLAIN)
    for event in events:
        renderer(event)
    return "".join(written), renderer


def test_only_whole_lines_are_written_and_the_rest_is_the_tail() -> None:
    text, renderer = shown(Text("one\ntw"), Text("o"))
    assert (text, renderer.tail) == ("one\n", "two")
    renderer(Stop("end"))
    assert renderer.tail == ""


def test_a_call_is_the_tail_while_it_runs_and_one_line_afterwards() -> None:
    text, renderer = shown(Text("Let me see."), READ)
    assert (text, renderer.tail) == ("Let me see.\n", "… read_file a.py")
    text, renderer = shown(READ, Observation("1", "read_file", "x = 1\ny = 2\n"))
    assert (text, renderer.tail) == ("✓ read_file a.py · 2 lines\n", "")


def test_a_command_that_failed_is_marked_so_although_the_tool_worked() -> None:
    text, _ = shown(Observation("c", "shell", "1 failed\n[exit code 1]"))
    assert text.startswith("✗ shell · exit code 1")
    text, _ = shown(Observation("c", "shell", "1 passed\n[exit code 0]"))
    assert text.startswith("✓ shell · exit code 0")
    text, _ = shown(Observation("c", "shell", "x\n[exit code 0; to see what was cut, use head]"))
    assert text == "✓ shell · exit code 0, output cut · x\n"


def test_a_failed_call_says_why() -> None:
    text, _ = shown(READ, Observation("1", "read_file", "There is no a.py.", ok=False))
    assert text == "✗ read_file a.py · There is no a.py.\n"
    # The mend stands at the end of the sentence.
    text, _ = shown(READ, Observation("1", "read_file", "No connection: " + "x" * 150, ok=False))
    assert text.endswith("x" * 150 + "\n")


def test_a_command_says_how_it_ended() -> None:
    ended = Observation("1", "shell", "..F\n1 failed, 2 passed in 0.1s\n[exit code 1]")
    assert summary(ended) == "exit code 1 · 1 failed, 2 passed in 0.1s"
    assert summary(Observation("1", "shell", "[exit code 0]")) == "exit code 0"
    assert summary(Observation("1", "shell", "")) == ""


def test_each_tool_is_summed_up_by_what_a_person_wants_to_know() -> None:
    tests = "pytest: 2 failed, 1 passed\n\ntest_a\n[the whole output: shell `cat x`]\n[exit code 1]"
    assert (
        summary(Observation("1", "run_tests", tests)) == "exit code 1 · pytest: 2 failed, 1 passed"
    )
    news = Observation("1", "read_job", "Job 1 is running.\ntick 1\ntick 2")
    assert summary(news) == "Job 1 is running."
    refused = "it failed\n[No connection to a:443: it is not allowed.]\n[exit code 1]"
    assert summary(Observation("1", "shell", refused)) == "exit code 1 · it failed"
    steps = "[x] 1. look\n[>] 2. fix it. Now\n[ ] 3. test"
    assert summary(Observation("1", "plan", steps)) == "1 of 3 done, now: fix it. Now"
    assert summary(Observation("1", "plan", "[x] 1. look")) == "1 of 1 done"
    assert summary(Observation("1", "plan", "There is no plan.", ok=False)) == "There is no plan."


def test_a_call_is_named_by_what_it_is_about() -> None:
    edits: list[JSON] = [{"path": "a.py"}, {"path": "b.py"}, {"path": "a.py"}, "what"]
    assert headline(ToolCall("1", "edit_files", {"edits": edits})) == "edit_files a.py, b.py"
    assert headline(ToolCall("1", "symbols", {"path": ".", "name": "Stack"})) == "symbols Stack"
    assert headline(ToolCall("1", "web_fetch", {"url": "http://a/b"})) == "web_fetch http://a/b"
    assert headline(ToolCall("1", "list_files", {"path": "."})) == "list_files"
    assert headline(ToolCall("1", "read_job", {"job": 0})) == "read_job 0"


def test_the_call_that_ends_a_turn_leaves_only_its_answer() -> None:
    call = ToolCall("1", "finish", {"answer": "Done."})
    ended = Observation("1", "finish", "The turn ends.", final="Done.")
    text, renderer = shown(call, ended, Text("Done."), Stop("end"))
    assert (text, renderer.tail) == ("Done.\n", "")


def test_notes_in_brackets_are_no_failures() -> None:
    for text in ("[no matches]", "Job 1 is running.\n[no new output]", "1 failed\n[whatever]"):
        assert shown(READ, Observation(READ.id, "read_file", text))[0].startswith("✓")
    for text in (
        "1\n[stopped after 1 s; variables are kept]", "[killed: more than 5 MB of memory]",
        "[the interpreter has ended (exit code 7): all variables are lost]",
    ):  # fmt: skip
        assert shown(READ, Observation(READ.id, "read_file", text))[0].startswith("✗")


def test_what_models_and_tools_say_cannot_steer_the_terminal() -> None:
    call = ToolCall("1", "shell", {"command": "echo \x1b[2J"})
    text, renderer = shown(
        Text("\x1b[2J\n\x1b]0;x"), call, Observation("1", "shell", "\x1b[1m\n[exit code 0]")
    )
    assert "\x1b" not in text + renderer.tail
    assert "\x1b" not in diff("--- a\n+++ b\n+\x1b[2J\n", PLAIN)
    _, renderer = shown(Text("\x1b[2J"))
    assert "\x1b" not in renderer.tail


def test_a_long_call_is_cut() -> None:
    call = ToolCall("1", "run_python", {"code": "print(1)\n" * 50})
    _, renderer = shown(call)
    assert renderer.tail == "… run_python print(1)…"


def test_usage_adds_up_and_an_unreadable_call_is_told() -> None:
    text, renderer = shown(
        Usage(10, 2, cost=0.5), Malformed("{", "no JSON"), Usage(20, 3, cost=0.5)
    )
    assert renderer.usage == Usage(30, 5, cost=1.0)
    assert "not well-formed; asking again" in text


def test_the_last_usage_is_that_of_one_request_in_however_many_pieces() -> None:
    pieces = (Usage(8), Usage(2, 3, 5), Stop("end"))
    text, renderer = shown(*pieces, Notice("It is long."), Usage(20, 1), Usage(0, 0, 15))
    assert renderer.last == Usage(20, 1, 15)
    assert renderer.last.reused == 0.75
    assert "It is long." in text


def test_a_long_diff_says_what_is_left_out() -> None:
    assert diff("+x\n" * 12, PLAIN, most=10).endswith("… and 2 lines more\n")
    assert diff("-a\n+b\n", Style(colours=True)) == "\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n"


def test_thinking_is_apart_from_the_answer() -> None:
    answer: list[str] = []
    aside: list[str] = []
    renderer = Renderer(answer.append, PLAIN, aside.append)
    for event in [Thinking("Hm, "), Thinking("let me"), Text("It is "), Text("4."), READ]:
        renderer(event)
    assert (answer, aside) == (["It is 4.\n"], ["Hm, let me\n"])
