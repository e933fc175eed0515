"""Two rates from measured times, and what they predict."""

from __future__ import annotations

import pytest

from shardopt.instances.catalogue import load
from shardopt.instances.catalogue.config_json import transformer
from shardopt.profile.fit import MOST_ABOVE, Timing, fit, relative_spread
from shardopt.profile.roofline import Rates, Work, decode_work, prefill_work

LLAMA = transformer(load.models().entries["llama-3-8b"].config)
MIXTRAL = transformer(load.models().entries["mixtral-8x7b"].config)
TRUE = Rates(flops_per_s=2e12, bytes_per_s=1e11)


def timing(phase, tokens, fitted=True, factor=1.0, rates=TRUE):
    work = (prefill_work if phase == "prefill" else decode_work)(LLAMA, LLAMA.blocks[-1], tokens)
    return Timing(phase, tokens, fitted, work, [factor * rates.seconds(work)])


def rows(**changes):
    prompts = [timing("prefill", n, **changes) for n in (8, 64, 256, 512)]
    return prompts + [timing("decode", n, **changes) for n in (1, 512, 640)]


@pytest.mark.parametrize("rates", [TRUE, Rates(2e13, 1e10), Rates(1e15, 3e12)])
def test_that_the_fit_finds_the_rates_that_made_the_times(rates):
    found = fit(rows(rates=rates))
    assert found.flops_per_s == pytest.approx(rates.flops_per_s, rel=1e-4)
    assert found.bytes_per_s == pytest.approx(rates.bytes_per_s, rel=1e-4)


def test_that_rows_which_are_not_fitted_do_not_touch_the_rates():
    odd = timing("prefill", 384, fitted=False, factor=10)
    assert fit([*rows(), odd]) == fit(rows())


def test_that_an_error_is_a_share_of_what_was_measured():
    assert timing("prefill", 384, factor=2).error(TRUE) == pytest.approx(-0.5)
    assert timing("decode", 384, factor=0.5).error(TRUE) == pytest.approx(1.0)


def test_that_a_noisy_row_moves_the_fit_no_further_than_itself():
    rates = fit([*rows()[:-1], timing("decode", 640, factor=1.2)])
    assert TRUE.bytes_per_s / 1.2 < rates.bytes_per_s < TRUE.bytes_per_s


def test_that_one_row_that_is_far_off_hardly_moves_the_fit():
    rates = fit([*rows(), timing("prefill", 384, factor=20)])
    assert rates.flops_per_s == pytest.approx(TRUE.flops_per_s, rel=0.1)


def test_that_times_which_no_byte_explains_leave_the_rates_finite():
    same = [timing("prefill", n, rates=Rates(1e12, 1e20)) for n in (8, 64, 512)]
    rates = fit([*same, timing("decode", 1, rates=Rates(1e12, 1e20))])
    best = max(t.work.read_bytes / t.median_s for t in same)
    assert rates.flops_per_s < 1e13
    assert best < rates.bytes_per_s <= 1.001 * MOST_ABOVE * max(best, 2 * 1e12)


def test_that_the_median_stands_for_a_row_and_the_quartiles_for_its_spread():
    row = Timing("decode", 1, True, Work(1, 1), [1.0, 2.0, 3.0, 4.0, 100.0])
    assert row.median_s == 3.0
    assert row.spread == pytest.approx(2 / 3)
    assert relative_spread([1.0]) == 0.0


def test_that_decoding_reads_the_weights_and_the_cache():
    block = LLAMA.blocks[-1]
    work = decode_work(LLAMA, block, 100)
    assert work.read_bytes == LLAMA.block_weight_bytes(block) + 100 * 2 * block.cache_numbers
    assert work.flops == block.decode_flops(100)


def test_that_one_token_reads_its_own_experts_and_a_prompt_all():
    block = MIXTRAL.blocks[-1]
    expert = 2 * block.experts.expert.parameters
    whole = MIXTRAL.block_weight_bytes(block)
    assert decode_work(MIXTRAL, block, 0).read_bytes == pytest.approx(whole - 6 * expert)
    assert prefill_work(MIXTRAL, block, 512).read_bytes == whole
