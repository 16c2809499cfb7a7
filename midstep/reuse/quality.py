"""Quality of a picture beside another: PSNR by (1) and (2), and SSIM (Wang et al., IEEE Trans.
Image Processing 13(4), 2004)."""

from __future__ import annotations

from midstep.diffusion.denoise import Picture
from midstep.radio.physics import psnr_db

__all__ = ["psnr_db", "ssim"]


def ssim(picture: Picture, other: Picture) -> float:
    """Mean structural similarity of two uint8 pictures [height, width, 3] of one shape, in Wang's
    setting: Gaussian window, sigma 1.5, population variances; -1 to 1. Raises ValueError for
    pictures of different shapes, or smaller than the window of 11 pixels."""
    from skimage.metrics import structural_similarity  # a second, and a run needs none of it

    return float(
        structural_similarity(
            picture,
            other,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=-1,
        )
    )
