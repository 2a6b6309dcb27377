import io

from assistant.progress import Line, Stages
from training.progress import Progress


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_line_now_and_then_and_always_the_last() -> None:
    stream = io.StringIO()
    line = Line(stream)
    for n in range(5):
        line.show(f"{n} of 5")
    line.show("5 of 5", last=True)
    line.end()
    assert stream.getvalue() == "0 of 5\n5 of 5\n"


def test_on_a_terminal_a_stage_rewrites_its_line_until_it_is_done() -> None:
    stream = Tty()
    stages = Stages(stream)
    stages.tell(Progress("train", "step 1", 0.5))
    stages.tell(Progress("train", "step \x1b[2J2", 0.9))
    stages.tell(Progress("gate", "kept", 1.0))
    stages.end()
    lines = stream.getvalue().split("\n")
    assert [line.split("\r\x1b[K")[-1] for line in lines] == [
        "train     step ␛[2J2",
        "gate      kept",
        "",
    ]
