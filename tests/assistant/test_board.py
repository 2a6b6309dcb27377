import io
import time

from assistant.board import Board
from training.progress import Progress


def told(*news: tuple[str, str, float]) -> tuple[Board, str]:
    stream = io.StringIO()
    board = Board(stream)
    with board.shown():
        for stage, text, share in news:
            board.tell(Progress(stage, text, share))
    return board, stream.getvalue()


def test_a_stage_is_a_row_that_keeps_its_last_news() -> None:
    board, text = told(
        ("collect", "1 of 2", 0.5), ("collect", "2 of 2", 1.0), ("train", "loss 2", 1.0)
    )
    assert [(row.name, row.text) for row in board.rows] == [
        ("collect", "2 of 2"),
        ("train", "loss 2"),
    ]
    assert "2 of 2" in text


def test_a_stage_that_comes_again_is_a_row_of_its_own() -> None:
    board, _ = told(
        *(("evaluate", "old 0", 0.5), ("evaluate", "old 1", 1.0)),
        *(("evaluate", "new 1", 0.5), ("evaluate", "new 2", 1.0)),
    )
    assert [row.text for row in board.rows] == ["old 1", "new 2"]
    assert all(row.took is not None for row in board.rows)


def test_more_news_of_an_ended_stage_is_no_new_row() -> None:
    board, _ = told(("encode", "9 rows", 1.0), ("encode", "9 of 9 equal", 1.0))
    assert [row.text for row in board.rows] == ["9 of 9 equal"]


def test_a_stage_took_the_time_since_the_one_before_it_ended() -> None:
    board = Board(io.StringIO())
    board.tell(Progress("student", "made", 1.0))
    time.sleep(0.05)
    board.tell(Progress("train", "done", 1.0))
    assert (board.rows[1].took or 0) >= 0.05


def test_what_others_wrote_steers_no_terminal() -> None:
    board, text = told(("evaluate", "[red]a \x1b[2J b", 1.0))
    assert "\x1b" not in text
    assert "[red]a" in text
    assert board.rows[0].text
