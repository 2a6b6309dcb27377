from pathlib import Path

import pytest

from sandbox.refused import Refused
from training.recipe import Recipe


def test_file_then_overrides(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('rank = 4\nlearning_rate = 1e-4\ntargets = ["q_proj", "v_proj"]\n')
    recipe = Recipe.load(path, {"rank": "32", "nf4": "false", "targets": "q_proj, k_proj"})
    wanted = Recipe(rank=32, learning_rate=1e-4, nf4=False, targets=("q_proj", "k_proj"))
    assert recipe == wanted
    assert recipe.hash == wanted.hash != Recipe().hash


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rnak": 3}, "'rnak'"),
        ({"rank": "many"}, "write a int"),
        ({"rank": 1.5}, "'rank'"),
        ({"rank": 0}, "'rank' cannot be 0"),
        ({"nf4": "perhaps"}, "'nf4'"),
        ({"learning_rate": "nan"}, "learning_rate"),
        ({"targets": "q_proj,lm_head"}, "known layers"),
        ({"targets": ["embed_tokens"]}, "known layers"),
        ({"targets": 3}, "'targets'"),
        ({"eval_share": 1}, "eval_share"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(Refused, match=words):
        Recipe.load(None, values)


@pytest.mark.parametrize("text", ["rank = ", "\0", None])
def test_a_broken_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Refused, match=r"recipe\.toml"):
        Recipe.load(path)
