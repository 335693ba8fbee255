"""The fastest of several ways: which is chosen, what is said of it, and when it is measured again."""

import time
from pathlib import Path

import huggingface_hub
import pytest

from cxr.network import fastest as module
from cxr.network.fastest import fastest


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "_SECONDS", 0.05)
    return tmp_path / "home"


def ways(prepared: list[str], **seconds: float) -> dict:
    def way(name: str):
        def prepare():
            prepared.append(name)
            return lambda: time.sleep(seconds[name])

        return prepare

    return {name: way(name) for name in seconds}


@pytest.mark.parametrize(
    ("seconds", "chosen", "said"),
    [
        ({"fp32": 0.42, "bf16": 0.2}, "bf16", "bf16: 2.1 times fp32 here"),
        ({"fp32": 0.1, "bf16": 0.19}, "fp32", "fp32: 1.9 times bf16 here"),
        ({"fp32": 0.21, "bf16": 0.2}, "fp32", "fp32: 1.0 times bf16 here"),
        ({"fp32": 0.1}, "fp32", "fp32"),
    ],
)
def test_another_way_is_taken_if_it_is_clearly_faster(seconds, chosen, said, monkeypatch):
    monkeypatch.setattr(module, "_time", lambda run: run())
    found = fastest({name: lambda known=known: lambda: known for name, known in seconds.items()}, task="t")
    assert (found.name, str(found)) == (chosen, said)


def test_what_takes_longer_is_found_to_take_longer():
    assert fastest(ways([], slow=0.04, quick=0.002), task="t").name == "quick"


def test_a_measurement_is_remembered_for_this_task_machine_and_ways(home, monkeypatch):
    prepared: list[str] = []
    both = ways(prepared, fp32=0.01, bf16=0.002)
    first = fastest(both, task="t")
    assert fastest(both, task="t") == first
    assert prepared == ["fp32", "bf16"]
    fastest(both, task="other")
    assert len(prepared) == 4
    monkeypatch.setattr(module, "cores", lambda: 99)
    fastest(both, task="t")
    assert len(prepared) == 6
    fastest(ways(prepared, fp32=0.01, fp16=0.002), task="t")
    assert len(prepared) == 8
    assert [path.name for path in home.iterdir()] == ["covid_cxr_fastest.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"x": 1}'])
def test_a_memory_that_cannot_be_used_is_no_memory(home, text):
    home.mkdir()
    (home / "covid_cxr_fastest.json").write_text(text)
    prepared: list[str] = []
    assert fastest(ways(prepared, a=0.01, b=0.001), task="t").name == "b"
    assert fastest(ways(prepared, a=0.01, b=0.001), task="t").name == "b"
    assert prepared == ["a", "b"]


def test_where_nothing_can_be_written_it_is_measured_each_time(home):
    home.write_text("no folder")
    prepared: list[str] = []
    for _ in range(2):
        assert fastest(ways(prepared, a=0.01, b=0.001), task="t").name == "b"
    assert prepared == ["a", "b", "a", "b"]
