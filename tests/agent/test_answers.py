from random import Random

import pytest

from agent.formats import FORMATS, Format
from tests.agent.answers import check_hostile, check_valid

# `benchmarks/parsers.py` does a hundred thousand of each.
SAMPLE = 1500


@pytest.mark.parametrize("form", FORMATS)
def test_a_sample_of_hostile_answers(form: Format):
    random = Random(SAMPLE)
    for _ in range(SAMPLE):
        check_hostile(random, form)


@pytest.mark.parametrize("form", FORMATS)
def test_a_sample_of_valid_calls(form: Format):
    random = Random(SAMPLE)
    for _ in range(SAMPLE):
        check_valid(random, form)
