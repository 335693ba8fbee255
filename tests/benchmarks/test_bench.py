"""Every row of the benchmarks runs in small, and what it finds is written; nothing is said about speed."""

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from rows.record import Figure, NotMeasured, Outcome, Row, Settings, Target, lines_of, ratio

DEMO = {"Drawing": 3.0, "Training": 5.0}


@pytest.fixture
def bench(benchmark):
    return benchmark("bench")


def measured(bench, name: str, folder: Path, **settings: object) -> dict[str, Figure]:
    """The figures of a row in small, one for each of its targets."""
    row = bench.ROWS[name]
    outcome = bench.measure(row, Settings(folder, quick=True, **settings))
    assert outcome.problem == ""
    assert outcome.figures.keys() == row.targets.keys()
    for figure in outcome.figures.values():
        assert figure.said
    return outcome.figures


def test_steps_are_measured_against_tensors_in_memory_and_the_defaults(bench, tmp_path):
    figures = measured(bench, "training_step", tmp_path)
    assert figures["memory"].value > 0
    assert figures["defaults"].bound in (None, 4.0)
    assert " in memory " in figures["memory"].said
    assert "waiting for its batch" in figures["memory"].reason


def test_answers_are_measured_against_the_network_and_the_pipeline(bench, tmp_path):
    figures = measured(bench, "one_file", tmp_path)
    assert figures["forward"].value > 0.8  # everything, against one of its parts
    assert "4 phantoms" in figures["pipeline"].said


def test_a_folder_is_answered_in_parts_and_compared_with_fp32(bench, tmp_path):
    figures = measured(bench, "folder", tmp_path)
    assert figures["rate"].spread is not None
    assert 0 <= figures["agreement"].value <= 100
    assert "random weights" in figures["rate"].price


def test_the_price_of_shortcuts_is_that_of_a_trained_model(bench, tmp_path):
    from rows.inputs import published_model

    model = published_model(Settings(tmp_path, quick=True))
    figures = measured(bench, "folder", tmp_path / "scratch", model=model)
    assert "AUROC" in figures["rate"].price
    settings = Settings(tmp_path, quick=True, model=model)
    assert "AUROC" in sys.modules["rows.training"].price_of("bf16", settings)
    assert sys.modules["rows.training"].price_of("fp32", settings) == "none: it is fp32"


def test_real_images_take_the_place_of_phantoms(tmp_path):
    from rows.inputs import clinic_images, native_images

    for name in ("native", "nih", "cxnet"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("L", (20, 20), number).save(tmp_path / name / f"{number}.jpg")
    settings = Settings(tmp_path, data=tmp_path)
    assert native_images(settings, 2).words == "2 real radiographs at native size"
    clinic = clinic_images(settings, 6)
    assert {(file.parent.name, label) for file, label in zip(clinic.files, clinic.labels, strict=True)} == {
        ("nih", 0),
        ("cxnet", 1),
    }
    assert clinic_images(settings, 7).words == "7 phantoms"


def test_decoders_are_measured_and_give_pillows_gray_values(bench, tmp_path):
    figures = measured(bench, "decoding", tmp_path)
    assert figures["PNG"].price == figures["JPEG"].price == "at most 0 of 255 gray levels apart"


def test_starts_are_measured_against_imports(bench, tmp_path):
    figures = measured(bench, "imports", tmp_path)
    assert figures["help"].value > 0


def test_the_demo_is_read_from_its_record(bench, tmp_path, monkeypatch):
    demo = sys.modules["rows.demo_run"]
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "demo.yaml").write_text("input_size: 128\nper_device_train_batch_size: 16\n")
    row = bench.ROWS["demo"]
    assert bench.measure(row, Settings(tmp_path, quick=True)).problem.startswith("not measured: no demo")
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "seconds.json").write_text(json.dumps(DEMO))
    figure = measured(bench, "demo", tmp_path)["demo"]
    assert figure.said.startswith("8 s, ")
    assert figure.reason == "Drawing 3 s, Training 5 s"


def test_the_demo_keeps_a_record_of_its_phases(tmp_path):
    from rows.demo_run import RECORD

    import demo

    for name in ("Drawing", "Training"):
        with demo._phase(tmp_path, name):
            pass
    record = json.loads((tmp_path / RECORD).read_text())
    assert list(record) == ["Drawing", "Training"]
    assert all(seconds >= 0 for seconds in record.values())


def test_neighbours_are_counted(bench, tmp_path, monkeypatch):
    def seconds_beside(neighbours: int, arguments: list[str], environment: dict[str, str]) -> list[float]:
        assert arguments[1].count("workloads.training(32, 2, 2)") + arguments[1].count("workloads.answers(") == 1
        sleeps = "let_threads_sleep" in arguments[1]
        if not sleeps:
            return [1.0]
        calls[neighbours] += 0.5
        return [neighbours + part * calls[neighbours] / 2 for part in (1.0, 1.2, 1.1)]

    monkeypatch.setattr(sys.modules["rows.busy"], "seconds_beside", seconds_beside)
    calls = dict.fromkeys((0, 1, 2), 1.0)
    figures = measured(bench, "neighbours", tmp_path)
    assert figures["training 0"].value == pytest.approx(1.1)
    assert figures["training 1"].value == pytest.approx(2.1 / 1.1)
    assert figures["training 2"].spread == pytest.approx(((2 + 0.75 * 1.1) / 1.1, (2 + 1.25 * 1.1) / 1.1))
    assert figures["answers 0"].value == pytest.approx(1.1 * 1.75)


def test_what_neighbours_slow_down_prints_its_seconds(bench, tmp_path, capsys):
    from rows.inputs import published_model

    Image.new("L", (64, 64)).save(tmp_path / "x.png")
    model = published_model(Settings(tmp_path, quick=True))
    exec(sys.modules["rows.busy"].code("answers", (model, str(tmp_path / "x.png"), 3)))
    assert all(float(line) > 0 for line in capsys.readouterr().out.split()[-3:])
    workloads = sys.modules["rows.workloads"]
    workloads.print_seconds(lambda: None, 2)
    assert len(capsys.readouterr().out.split()) == 2


@pytest.mark.slow
def test_the_app_is_timed_to_its_first_answer(bench, tmp_path):
    figures = measured(bench, "app", tmp_path)
    assert "it listens after" in figures["app"].reason


def test_raw_files_are_trained_on_both_ways(bench, tmp_path, monkeypatch):
    from cxr.training.run import main as train
    from dataset_script.__main__ import main as prepare

    def in_this_process(script: str, *arguments: str) -> float:
        if script == "-m":
            assert prepare(arguments[1:]) == 0
        elif script == "train_hf.py":
            assert train(arguments) == 0
        else:
            monkeypatch.setattr(sys, "argv", [script, *arguments])
            runpy.run_path(script, run_name="__main__")
        return 8.0

    monkeypatch.setattr(sys.modules["rows.raw_files"], "_seconds", in_this_process)
    figure = measured(bench, "raw_files", tmp_path)["all"]
    assert figure.value == 0.5
    assert "60 phantoms" in figure.said


def test_what_needs_other_things_says_how_it_is_measured(bench, tmp_path):
    for name in ("head_recipe", "card"):
        problem = bench.measure(bench.ROWS[name], Settings(tmp_path, quick=True)).problem
        assert problem.startswith("not measured: it needs")
        assert f"python benchmarks/bench.py --only {name}" in problem
    problem = bench.measure(bench.ROWS["decoding"], Settings(tmp_path, device="cuda")).problem
    assert problem == "not measured: it says nothing about cuda"


def test_a_verdict_is_the_value_against_the_target_on_this_machine():
    targets = {
        "least": Target("work", "peer", 3.5, at_least=True),
        "most": Target("work", "peer", 0.5),
        "own": Target("work", "peer", 0.45),
        "none": Target("work", "peer", None),
        "lost": Target("work", "peer", 1.0),
    }
    values = {"least": Figure(3.5), "most": Figure(0.51), "own": Figure(0.4, bound=0.33), "none": Figure(7)}
    row = Row("row", targets, lambda settings: {})
    verdicts = [line.verdict for line in lines_of(row, Outcome(values))]
    assert verdicts == ["met", "missed", "missed", "measured", "failed"]
    assert {line.verdict for line in lines_of(row, Outcome(problem="not measured: no card"))} == {"not measured"}


def test_a_ratio_is_that_of_medians_and_its_spread_that_of_rounds():
    found = ratio([[1, 2], [1, 2], [4, 8]], [[1, 1], [2, 1], [1, 1]])
    assert found == {"value": 1.5, "spread": (1.0, 6.0)}
    assert ratio([3.0], [2.0]) == {"value": 1.5, "spread": None}


def test_a_row_that_fails_leaves_the_others_and_ends_with_code_1(bench, monkeypatch, tmp_path, capsys):
    def fails(settings: Settings) -> dict[str, Figure]:
        raise RuntimeError("first\nthe disk is | full")

    def waits(settings: Settings) -> dict[str, Figure]:
        raise NotMeasured("it needs a card")

    target = {"it": Target("`work`", "peer", 1.0)}
    rows = [
        Row("fine", target, lambda settings: {"it": Figure(0.5, (0.4, 0.6), "5 ms", price="none")}),
        Row("broken", target, fails),
        Row("absent", target, waits),
    ]
    monkeypatch.setattr(bench, "ROWS", {row.name: row for row in rows})
    monkeypatch.setattr(
        bench, "_measure_apart", lambda row, options: bench.measure(row, Settings(tmp_path, quick=True))
    )
    assert bench.main(["--quick", "--out", str(tmp_path / "out")]) == 1
    assert bench.main(["--quick", "--out", str(tmp_path / "out"), "--only", "fine", "absent"]) == 0
    assert bench.main(["--quick", "--out", str(tmp_path / "out")]) == 1
    page = (tmp_path / "out" / "RESULTS.md").read_text()
    assert "| `work` | peer | at most 1.00 | 0.50 | 0.40 to 0.60 | **met** |" in page
    assert "failed: the disk is \\| full" in page
    assert "not measured: it needs a card" in page
    assert "`python benchmarks/bench.py --only fine --quick`" in page
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["verdict"] for row in content["rows"]] == ["met", "failed", "not measured"]
    assert "processor" in content["machine"]
    assert Image.open(tmp_path / "out" / "results.png").width > 500
    only = ["--quick", "--out", str(tmp_path / "out"), "--only", "absent"]
    assert bench.main(only) == 0
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert kept["rows"] == content["rows"]
    elsewhere = bench.facts("cpu", True) | {"commit": "of another day"}
    monkeypatch.setattr(bench, "facts", lambda device, quick: elsewhere)
    assert bench.main(only) == 0
    assert [row["row"] for row in json.loads((tmp_path / "out" / "results.json").read_text())["rows"]] == ["absent"]


def test_a_row_is_measured_in_a_process_of_its_own(bench, monkeypatch, tmp_path):
    def run(command: list[str], **options: object) -> SimpleNamespace:
        assert command[1] == "benchmarks/bench.py"
        return SimpleNamespace(returncode=bench.main(command[2:]))

    monkeypatch.setattr(bench, "subprocess", SimpleNamespace(run=run))
    assert bench.main(["--quick", "--only", "card", "--out", str(tmp_path)]) == 0
    assert "not measured: it needs a CUDA device" in (tmp_path / "RESULTS.md").read_text()
    monkeypatch.setattr(bench, "subprocess", SimpleNamespace(run=lambda *_, **__: SimpleNamespace(returncode=-9)))
    assert bench.main(["--quick", "--only", "card", "--out", str(tmp_path)]) == 1
    assert "failed: its process ended with code -9" in (tmp_path / "RESULTS.md").read_text()
