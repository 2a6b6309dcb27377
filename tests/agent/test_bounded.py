"""A template may come from anywhere: whatever it does, it ends soon, small and in one sentence."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest

from agent.bounded import LONGEST
from agent.message import user
from agent.template import Unrenderable, compiled, render

HOSTILE = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{{ range(99999) | select | list | length }}{% endfor %}",
    "{% for a in range(99999) %}{{ range(99999) | map('string') | join }}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(400) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for a in [1] recursive %}{{ loop([1]) }}{{ loop([1]) }}{% endfor %}",
    "{% set n = namespace(s='ab') %}{% for a in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "{% set n = namespace(s='ab') %}{% for a in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace(s=[1]) %}{% for a in range(60) %}{% set n.s = [n.s, n.s] %}{% endfor %}"
    "{{ n.s }}",
    "{{ 'a' * 10 ** 10 }}",
    "{{ ([messages] * 99999) | string }}",
    "{{ [['a' * 99999] * 99999] | tojson }}",
    "{{ 9 ** (9 ** 9) }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '%*d' % (999999999, 1) }}",
    "{{ '%999999999d' | format(1) }}",
    "{{ '{:999999999}'.format(1) }}",
    "{{ '{:{}}'.format(1, 999999999) }}",
    "{{ 'a' | center(999999999) }}",
    "{{ 'a'.center(999999999) }}",
    "{{ ('\n' * 9999) | indent(999999) }}",
    "{{ [1, 2] | tojson(indent=999999999) }}",
    "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
    "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}",
    "{{ ('a' * 99999).join(['b'] * 99999) }}",
    "{{ (['a' * 99999] * 99999) | join }}",
    "{{ '\t'.expandtabs(999999999) }}",
    "{{ lipsum(n=999999) }}",
    "{% for a in range(99999) %}" + "x" * 9999 + "{% endfor %}",
    "{% set big %}{% for a in range(99999) %}" + "x" * 9999 + "{% endfor %}{% endset %}",
    "{% for a in range(99999) %}{{ messages[0].content }}{% endfor %}",
    "{% set e = namespace(spend=1, environment=1) %}{% for a in range(99999) %}"
    "{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a" * (LONGEST + 1),
    "{{ x }}" * LONGEST,
]


@pytest.mark.parametrize("template", HOSTILE, ids=lambda template: template[:60])
def test_what_would_not_end_is_one_error(template: str):
    began = perf_counter()
    with pytest.raises(Unrenderable) as raised:
        render(template, [user("x" * 1000)], add_generation_prompt=True)
    assert perf_counter() - began < 20
    assert 0 < len(str(raised.value)) < 200


@pytest.mark.parametrize("template", [HOSTILE[n] for n in (7, 22, 25)])
def test_it_stays_small_meanwhile(template: str):
    tracemalloc.start()
    try:
        with pytest.raises(Unrenderable):
            render(template, [user("x")], add_generation_prompt=True)
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()


def test_long_conversations_may_cost_more():
    template = (
        "{% for m in messages %}{% set c = m.content | trim %}{{ '<' ~ m.role ~ '>' ~ c }}"
        "{% if '</think>' in c %}{{ c.split('</think>')[-1].lstrip('\n') }}{% endif %}{% endfor %}"
    )
    messages = [user("words and words " * 2000) for _ in range(200)]
    text = render(template, messages, add_generation_prompt=False)
    assert len(text) == 200 * (6 + len("words and words " * 2000) - 1)


def test_each_rendering_pays_for_itself():
    """One after the other, and at the same time in several threads."""
    template = "{% for a in range(9999) %}{{ 'abcdefgh' }}{% endfor %}"

    def size(number: int) -> int:
        return len(render(template, [user("x")], add_generation_prompt=True))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(size, range(8))) == {8 * 9999}
    assert compiled(template) is compiled(template)
