import numpy as np
import pytest

from midstep.radio import physics


def test_rate_of_equation_6() -> None:
    # W log2(1 + p g / noise) with p g / noise = 3: two bits a hertz
    assert physics.rate_bps(1e6, 50.0, 6e-15, 1e-13) == pytest.approx(2e6)


def test_arrays_and_scalars_agree() -> None:
    gains = np.array([1e-12, 3e-12, 9e-12])
    rates = physics.rate_bps(90e6, 50.0, gains, 1e-13)
    assert rates == pytest.approx([float(physics.rate_bps(90e6, 50.0, g, 1e-13)) for g in gains])


def test_mean_gain_falls_with_the_cube_of_distance() -> None:
    near, far = (float(physics.mean_gain(d, 915e6, 3, 3)) for d in (120, 240))
    assert near / far == pytest.approx(8)
    assert near == pytest.approx(3 * (3e8 / (4 * np.pi * 915e6 * 120)) ** 3)


def test_step_times_of_4_and_5_and_the_transfer_of_8() -> None:
    assert physics.edge_seconds(6, 4e6, 20e9) == pytest.approx(0.0012)
    assert physics.device_seconds(6, 20, 4e6, 1.5e9) == pytest.approx(14 * 4e6 / 1.5e9)
    assert physics.transfer_seconds(4e6, 1e9, [0, 1, 6]) == pytest.approx([0.0, 0.004, 0.004])


def test_psnr_of_2() -> None:
    black = np.zeros((4, 4), np.uint8)
    grey = np.full((4, 4), 5, np.uint8)
    assert physics.psnr_db(black, grey) == pytest.approx(20 * np.log10(255 / 5))
    assert physics.psnr_db(grey, grey) == physics.PSNR_CAP_DB
    with pytest.raises(ValueError, match="shapes"):
        physics.psnr_db(black, grey[:2])


def test_reusable_steps_is_the_last_below_the_limit() -> None:
    assert physics.reusable_steps([20.3, 22.0, 25.1, 29.9, 33.0], 30.0) == 4
    assert physics.reusable_steps([40.0], 30.0) == 0
