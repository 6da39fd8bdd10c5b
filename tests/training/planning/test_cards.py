"""Which cards there are, and what replaces their numbers."""

import pytest

from training.planning.cards import CARDS, find_card


def test_an_unknown_card_lists_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"--gpu rtx9999 is not known; allowed: .*rtx4090") as error:
        find_card("rtx9999", None, None)
    assert all(name in str(error.value) for name in CARDS)


def test_memory_and_speed_replace_those_of_the_card() -> None:
    card = find_card("rtx4090", 48, 100)
    assert (card.memory_gib, card.bf16, card.bandwidth) == (48, 100, CARDS["rtx4090"].bandwidth)


def test_memory_and_speed_are_enough_without_a_name() -> None:
    card = find_card(None, 48, 100)
    assert (card.memory_gib, card.bf16) == (48, 100)


@pytest.mark.parametrize(("memory", "speed"), [(48.0, None), (None, 100.0), (None, None)])
def test_half_a_card_without_a_name_is_refused(memory: float | None, speed: float | None) -> None:
    with pytest.raises(ValueError, match="give both --memory-gb and --tflops"):
        find_card(None, memory, speed)


@pytest.mark.parametrize(("memory", "speed", "option"), [(0.0, None, "--memory-gb"), (None, -1.0, "--tflops")])
def test_sizes_must_be_above_0(memory: float | None, speed: float | None, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be above 0"):
        find_card("rtx4090", memory, speed)


def test_the_processor_is_measured() -> None:
    card = find_card("cpu", None, None)
    assert card.is_cpu
    assert card.memory_gib > 0.5
    assert 1e-4 < card.fp32 < 100


def test_every_card_has_a_source_and_plausible_numbers() -> None:
    for card in CARDS.values():
        assert card.source
        assert card.device_name
        assert 8 <= card.memory_gib <= 300
        assert card.fp32 < card.bf16 < 3000
        assert 200 <= card.bandwidth <= 10_000
