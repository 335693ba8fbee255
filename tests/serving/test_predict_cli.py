import csv
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import without_precision
from tiny import Published

import predict
from cxr.schema.verdicts import DISCLAIMER

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ward(tmp_path: Path, xray: Path, xray16: Path) -> Path:
    """Two images, one of them in a subfolder, a damaged one, and files that are not images."""
    folder = tmp_path / "ward"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(xray, folder / "b.PNG")
    shutil.copy(xray16, folder / "deep" / "c.png")
    (folder / "a.png").write_bytes(xray.read_bytes()[:2000])
    (folder / "notes.txt").write_text("not an image")
    (folder / "._b.png").write_text("left by a file manager")
    return folder


def test_one_file_one_sentence(published: Published, xray: Path, capsys: pytest.CaptureFixture[str]):
    assert predict.main(["--model", published.repo_id, "--revision", published.revision, str(xray)]) == 0
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.startswith(f"{xray}: ")
    assert "COVID-19 pattern: probability 0." in line
    assert "(threshold 0.41)" in line
    assert f"{published.repo_id}@{published.revision[:7]}" in line
    assert DISCLAIMER in line
    assert without_precision(err) == ""


def test_a_bad_file_is_a_row_never_the_end(published: Published, ward: Path, tmp_path: Path, run_cli: Run):
    table = tmp_path / "rows.csv"
    done = run_cli(["predict.py", "--model", published.repo_id, "--csv", table, ward])
    assert done.returncode == 1, done.stderr
    bad, first, second = done.stdout.splitlines()
    assert bad.startswith(f"{ward / 'a.png'}: no answer: ")
    assert "damaged" in bad
    assert first.startswith(f"{ward / 'b.PNG'}: ")
    assert second.startswith(f"{ward / 'deep' / 'c.png'}: ")
    assert "3/3" in done.stderr
    rows = list(csv.DictReader(table.open()))
    assert [bool(row["error"]) for row in rows] == [True, False, False]
    assert rows[1]["revision"] == published.revision
    assert float(rows[1]["probability"]) == pytest.approx(float(rows[2]["probability"]), abs=1e-6)


def test_json_is_one_object_a_line(published: Published, ward: Path, capsys: pytest.CaptureFixture[str]):
    assert predict.main(["--model", str(published.folder), "--json", str(ward / "*.png"), str(ward / "b.PNG")]) == 1
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert bad["file"].endswith("a.png")
    assert bad["error"]
    assert good["file"].endswith("b.PNG")
    assert good["label"] in ("COVID", "NON-COVID")
    assert good["revision"] == "local"


def test_a_file_named_twice_is_answered_once(published: Published, xray: Path, capsys: pytest.CaptureFixture[str]):
    assert predict.main(["--model", str(published.folder), str(xray), str(xray), str(xray.parent / "phantom.*")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_zip_is_read_in_place(published: Published, xray: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    archive = tmp_path / "ward.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("deep/b.png", xray.read_bytes())
        file.writestr("a.png", b"\x89PNG cut off")
        file.writestr("../c.png", xray.read_bytes())
        file.writestr("__MACOSX/._b.png", b"left by a Mac")
        file.writestr("notes.txt", b"not an image")
    maps = tmp_path / "maps"
    arguments = ["--model", str(published.folder), "--json", "--heatmaps", str(maps), str(archive)]
    assert predict.main(arguments) == 1
    outside, bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert [row["file"] for row in (outside, bad, good)] == [
        f"{archive}/{name}" for name in ("../c.png", "a.png", "deep/b.png")
    ]
    assert bad["error"]
    assert outside["probability"] == good["probability"]
    assert sorted(path.name for path in maps.iterdir()) == ["0001-c.png", "0003-b.png"]
    assert good["heatmap"] == str(maps / "0003-b.png")


def test_no_answer_at_all_is_two(published: Published, text: Path, capsys: pytest.CaptureFixture[str]):
    assert predict.main(["--model", str(published.folder), str(text), str(text.parent / "missing.png")]) == 2
    unread, missing = capsys.readouterr().out.splitlines()
    assert unread.startswith(f"{text}: no answer: the file is not an image we can read")
    assert missing.endswith("missing.png: no answer: the file does not exist")


def _nothing(tmp_path: Path, model: Path, xray: Path) -> list[str]:
    return ["--model", str(model), str(tmp_path)]


def _no_match(tmp_path: Path, model: Path, xray: Path) -> list[str]:
    return ["--model", str(model), str(tmp_path / "*.png")]


def _no_model(tmp_path: Path, model: Path, xray: Path) -> list[str]:
    return ["--model", "missing/model", str(xray)]


def _no_folder(tmp_path: Path, model: Path, xray: Path) -> list[str]:
    return ["--model", str(model), "--heatmaps", str(xray / "maps"), str(xray)]


def _no_table(tmp_path: Path, model: Path, xray: Path) -> list[str]:
    return ["--model", str(model), "--csv", str(tmp_path / "no" / "rows.csv"), str(xray)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (_nothing, "no image found"),
        (_no_match, "*.png"),
        (_no_model, "missing/model"),
        (_no_table, "--csv"),
        (_no_folder, "--heatmaps"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    published: Published,
    xray: Path,
    arguments: Callable[..., list[str]],
    said: str,
    capsys: pytest.CaptureFixture[str],
):
    assert predict.main(arguments(tmp_path, published.folder, xray)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.parametrize("command", ["app", "predict"])
def test_help_does_not_wait_for_the_network_libraries(command: str, run_cli: Run):
    code = f"import sys, {command}; {command}.parser().format_help(); print(*sys.modules)"
    loaded = run_cli(["-c", code]).stdout.split()
    assert command in loaded
    assert {"torch", "gradio", "transformers"}.isdisjoint(loaded)


def test_help_names_the_exit_codes():
    shown = subprocess.run([sys.executable, predict.__file__, "--help"], capture_output=True, text=True, check=True)
    assert "2 if none did" in shown.stdout
