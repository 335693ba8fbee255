"""Answers do not wait for a file that is costly to decode, and few such files may wait."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support import encode

from cxr.errors import UserError
from cxr.imaging.radiograph import Radiograph
from cxr.serving.web.protection.limits import BUSY, CostlyFiles, TimeLimit, Turns

PIXELS = np.zeros((30, 20), np.uint8)
CHEAP, COSTLY = encode(PIXELS), encode(PIXELS, "TIFF", compression="tiff_lzw")


def test_answers_overtake_costly_files_and_only_few_of_these_may_wait():
    go_on = threading.Event()

    def read(content: bytes) -> Radiograph:
        if content == COSTLY:
            go_on.wait(30)
        return Radiograph(PIXELS, 20, 30, "L", "PNG")

    turns = Turns(read, TimeLimit(10))
    with ThreadPoolExecutor(8) as visitors:
        costly = [visitors.submit(turns, lambda xray: xray.width, COSTLY) for _ in range(8)]
        time.sleep(0.2)
        assert turns(lambda xray: xray.width, CHEAP) == 20
        go_on.set()
        errors = [str(request.exception()) for request in costly if request.exception()]
    assert set(errors) == {BUSY}
    assert len(errors) == 4
    assert [request.result() for request in costly if not request.exception()] == [20] * 4
    assert turns(lambda xray: xray.height, COSTLY) == 30


def test_a_costly_file_does_not_wait_for_ever():
    go_on = threading.Event()
    lane = CostlyFiles(seconds=0.1)
    with ThreadPoolExecutor(1) as visitor:
        first = visitor.submit(lane, lambda content: go_on.wait(30), COSTLY)
        time.sleep(0.1)
        with pytest.raises(UserError, match="busy"):
            lane(lambda content: None, COSTLY)
        go_on.set()
        assert first.result()
