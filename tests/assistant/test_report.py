import re
import xml.etree.ElementTree as ElementTree

from agent.episode import Episode, Step
from agent.message import assistant, system, user
from assistant.report import Family, Report
from sandbox.check import Outcome, Verdict
from training.scorecard import Result, Scorecard


def card(model: str, *outcomes: Outcome) -> Scorecard:
    results = [
        Result(f"classes/{n}", f"d{n}", o, "end", 3, 1.0, "e") for n, o in enumerate(outcomes)
    ]
    return Scorecard(model, "hash", tuple(results))


def episode(id: str, digest: str, outcome: Outcome, said: str = "Done.") -> Episode:
    messages = [system("s"), user("fix it"), assistant(said)]
    return Episode(
        *(id, "classes/1", digest, "m", (), 0.0),
        steps=tuple(Step(message) for message in messages),
        stop="end",
        diff="+x",
        verdict=Verdict(outcome, () if outcome == "pass" else ("E   assert 1 == 2",)),
    )


def report(**changes: object) -> Report:
    given = {
        "title": "2 before, 3 after",
        "lead": "On new tasks.",
        "decision": "Promoted.",
        "families": [
            Family("new", "classes", card("a", "pass", "fail"), card("b", "pass", "pass"))
        ],
        "curve": [
            {"step": 0, "eval_loss": 2.0},
            {"step": 5, "loss": 1.0},
            {"step": 10, "loss": 0.5, "eval_loss": 1.0},
        ],
        "before": [episode("1", "d1", "fail")],
        "after": [episode("2", "d1", "pass"), episode("3", "d2", "fail")],
        "facts": [("seed", "0")],
    }
    return Report(**(given | changes))  # type: ignore[arg-type]


def test_the_page_shows_figures_intervals_and_episodes() -> None:
    page = report().page()
    for text in (
        "2 before, 3 after",
        "1/2",
        "2/2",
        "solved, and was not before",
        "false claim (after",
    ):
        assert text in page
    assert page.count('class="whisker"') == 6


def test_bars_and_curve_are_where_the_figures_say() -> None:
    page = report().page()
    (old, new) = re.findall(r'<rect class="(?:old|new)"[^>]* width="([\d.]+)"', page)
    assert (float(old), float(new)) == (260.0, 520.0)
    trained, unseen = re.findall(r'points="([^"]*)"', page)
    assert trained.split() == ["450.0,119.0", "850.0,172.5"]
    assert unseen.split() == ["50.0,12.0", "850.0,119.0"]


def test_what_a_model_wrote_is_text_and_no_markup() -> None:
    evil = "</pre><script>alert(1)</script>\x1b[2J\u202e"
    page = report(after=[episode("3", "d2", "fail", evil)]).page()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not {"\x1b", "\u202e"} & set(page)


def test_the_page_needs_nothing_else_and_is_well_formed() -> None:
    page = report().page()
    assert "http" not in page.replace("http-equiv", "")
    body = page[page.index("<body>") :].removesuffix("</html>\n").removesuffix("</html>")
    ElementTree.fromstring(body.replace("&nbsp;", " "))


def test_a_run_without_failures_has_a_page_too() -> None:
    page = report(before=[], after=[], curve=[]).page()
    assert "One episode of each kind" in page
