"""Where a phantom's class can be read, and where it cannot: the audit's known answer."""

import numpy as np
import pytest

from cxr.imaging.geometry import CROP_PCT
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from cxr.schema.probes import LUNG_BOX


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_nothing_outside_the_box_tells_the_class(seed):
    covid, other = draw_phantom(seed, COVID), draw_phantom(seed, NON_COVID)
    height, width = covid.image.shape
    y, x = np.abs(np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2)
    seen = min(height, width) * CROP_PCT / 2
    inside = (x < seen * LUNG_BOX[0]) & (y < seen * LUNG_BOX[1])
    border = (x > seen * 0.8) | (y > seen * 0.8)
    difference = np.abs(covid.image.astype(int) - other.image)
    assert not covid.mask[~inside].any()
    assert difference[~inside].max() <= 12  # scattered light of the opacities; they themselves differ by 60 and more
    assert difference[border].max() <= 4
    assert difference[inside].max() >= 30
    assert 0.08 < covid.mask.sum() / covid.lungs.sum() < 0.7
