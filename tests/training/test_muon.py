from typing import Any

import torch

from training.muon import Muon, orthogonal


def test_what_is_orthogonalised_has_singular_values_of_about_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 64, 128), (2, 128, 64), (1, 32, 32)):
        linear: Any = torch.linalg
        values = linear.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.3
        assert values.max() < 1.3


def test_it_finds_the_matrix_that_is_wanted() -> None:
    torch.manual_seed(0)
    wanted, found = torch.randn(16, 24), torch.zeros(16, 24, requires_grad=True)
    tall = torch.zeros(24, 16, requires_grad=True)
    muon = Muon([found, tall], lr=0.3)
    for step in range(200):
        ((found - wanted) ** 2).mean().backward()
        ((tall - wanted.T) ** 2).mean().backward()
        muon.param_groups[0]["lr"] = 0.3 * (1 - step / 200)
        muon.step()
        muon.zero_grad()
    assert (found - wanted).abs().mean() < 0.05
    assert (tall - wanted.T).abs().mean() < 0.05


def test_one_that_goes_on_takes_the_same_steps() -> None:
    def steps(matrix: torch.Tensor, muon: Muon, count: int) -> None:
        for _ in range(count):
            (matrix**2).sum().backward()
            muon.step()
            muon.zero_grad()

    torch.manual_seed(0)
    start = torch.randn(8, 8)
    whole = start.clone().requires_grad_()
    steps(whole, Muon([whole], 0.01), 4)
    cut = start.clone().requires_grad_()
    first = Muon([cut], 0.01)
    steps(cut, first, 2)
    second = Muon([cut], 0.01)
    second.load_state_dict(first.state_dict())
    steps(cut, second, 2)
    assert torch.equal(whole, cut)
