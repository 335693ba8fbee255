"""The pairs found are there to be looked at."""

import numpy as np
from PIL import Image

from dataset_script.duplicates.pair_sheets import draw
from dataset_script.duplicates.search import Pair


def bright(index):
    return np.full((300, 200), 250, np.uint8)


def test_pairs_stand_side_by_side_and_go_on_over_pages(tmp_path):
    names = [f"source/{'long' * 40}-{index}.png" for index in range(40)]
    pairs = [Pair(2 * index, 2 * index + 1, 0.9 + index / 1000) for index in range(20)]
    pages = draw(pairs, bright, names, tmp_path)
    assert [page.name for page in pages] == ["duplicates.png", "duplicates-2.png"]
    full, rest = (np.asarray(Image.open(page)) for page in pages)
    shown = [(page == 250).sum() for page in (full, rest)]
    assert shown[0] == shown[1] * 9
    assert max(full.shape) < 3000


def test_the_least_similar_come_first_and_old_pages_go(tmp_path):
    pairs = [Pair(0, 1, 0.99), Pair(2, 3, 0.88), Pair(0, 3, 0.95)] * 20
    seen = []

    def load(index):
        seen.append(index)
        return bright(index)

    assert len(draw(pairs, load, list("abcd"), tmp_path)) == 4
    assert seen[:2] == [2, 3]
    assert seen[-2:] == [0, 1]
    assert len(draw(pairs, load, list("abcd"), tmp_path, most_pages=2)) == 2
    assert len(list(tmp_path.iterdir())) == 2
    assert draw([], load, [], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
