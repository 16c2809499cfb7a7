"""The channel from uniform numbers, for one link and for arrays of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.draws import BANDWIDTH, uniform
from midstep.radio import channel_law, physics
from midstep.scenario import Channel, Radio

UNIT = st.floats(0, 1, exclude_max=True)


def test_the_constants_are_the_models() -> None:
    """docs/model.md, constants."""
    radio = Radio()
    assert (radio.power_w, radio.noise_w) == (50, 1e-13)
    assert (radio.antenna_gain, radio.carrier_mhz, radio.path_loss_exponent) == (3, 915, 3)
    assert Radio(**Channel().model_dump(include=set(Radio.model_fields))) == radio


@given(draws=st.lists(UNIT, min_size=1, max_size=5))
def test_arrays_and_scalars_agree(draws: list[float]) -> None:
    radio = Radio()
    gain = float(channel_law.mean_gain(radio, 200.0))
    rates = channel_law.rate_bps(radio, 1e6, gain, draws)
    alone = [float(channel_law.rate_bps(radio, 1e6, gain, draw)) for draw in draws]
    np.testing.assert_allclose(rates, alone, rtol=1e-14)
    assert (rates > 0).all()


@given(draw=UNIT, low=st.floats(1, 100), width=st.floats(0, 100))
def test_bandwidth_and_speed_stay_between_their_ends(draw: float, low: float, width: float) -> None:
    band = float(channel_law.bandwidth_hz((low, low + width), draw))
    assert low * 1e6 <= band * (1 + 1e-12) and band <= (low + width) * 1e6 * (1 + 1e-12)
    assert 0.7 <= float(channel_law.speed_share(draw)) <= 1


def test_a_fade_is_exponential_and_can_be_off() -> None:
    draws = (np.arange(10_000) + 0.5) / 10_000
    fades = channel_law.fade(Radio(), draws)
    assert fades.mean() == pytest.approx(1, abs=1e-3)
    assert np.median(fades) == pytest.approx(np.log(2), abs=1e-3)
    assert float(channel_law.fade(Radio(), 0.0)) == channel_law.LEAST_FADE
    still = Radio(fading=False)
    assert (channel_law.fade(still, draws) == 1).all()
    assert float(channel_law.rate_bps(still, 1e6, 6e-15, 0.3)) == pytest.approx(
        float(physics.rate_bps(1e6, 50.0, 6e-15, 1e-13))
    )


def test_users_have_the_bandwidths_that_a_device_draws_alone() -> None:
    bands = channel_law.user_bandwidths_hz((1.0, 2.0), 7, 3)
    alone = [channel_law.bandwidth_hz((1.0, 2.0), uniform(7, BANDWIDTH, 0, u)) for u in range(3)]
    np.testing.assert_array_equal(bands, np.array(alone))
    np.testing.assert_array_equal(channel_law.distances_m((120, 255), 3), [120, 187.5, 255])
    np.testing.assert_array_equal(channel_law.distances_m((120, 255), 1), [120])
