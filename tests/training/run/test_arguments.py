"""Recipes and flags: one set of settings, flags win, errors are one line."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from support import ROOT

from cxr.errors import UserError
from cxr.training import arguments
from cxr.training.arguments import parse


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run folders are made at once: not in the project."""
    monkeypatch.chdir(tmp_path)


OWN = (arguments.DataArguments, arguments.ModelArguments, arguments.AugmentationArguments, arguments.RunArguments)


def recipe(tmp_path: Path, text: str) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_flags_win_over_the_recipe_and_the_recipe_over_defaults(tmp_path):
    settings = parse([recipe(tmp_path, "dataset: d\ninput_size: 96\nrotate: 3"), "--input_size", "64"])
    assert (settings.model.input_size, settings.augmentation.rotate, settings.run.num_train_epochs) == (64, 3.0, 16.0)


def test_a_number_that_yaml_takes_for_a_string_is_a_number(tmp_path):
    assert parse([recipe(tmp_path, "dataset: d\nlearning_rate: 1e-3")]).run.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--dataset", "d", "--datset", "e"], "--datset"),
        (["--dataset", "d", "--input_size", "many"], "--input_size"),
    ],
)
def test_a_wrong_flag_is_one_line_and_code_2(argv, part, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(argv)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert part in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], "--dataset is missing"),
        (["--dataset", "d", "--input_size", "8"], "--input_size 8"),
        (["--dataset", "d", "--precision", "int4"], "--precision"),
        (["--dataset", "d", "--class_weights", "some"], "--class_weights"),
        (["--dataset", "d", "--target_sensitivity", "90"], "--target_sensitivity"),
        (["--dataset", "d", "--from_scratch", "--freeze_backbone"], "--freeze_backbone"),
        (["--dataset", "d", "--from_scratch", "--method", "head"], "--method head with --from_scratch"),
        (["--dataset", "d", "--freeze_backbone", "--method", "lp_ft"], "--freeze_backbone with --method lp_ft"),
        (["--dataset", "d", "--method", "magic"], "'magic' is none of head, lp_ft, full"),
        (["--dataset", "d", "--head_views", "0"], "--head_views 0"),
        (["--dataset", "d", "--streaming", "--shuffle_buffer", "0"], "--shuffle_buffer 0"),
        (["--dataset", "d", "--seeds", "0,one"], "--seeds 0,one"),
        (["--dataset", "d", "--seeds", "1,01"], "names one seed twice"),
        (["--dataset", "d", "--seeds", "0,1", "--resume_from_checkpoint", "x/checkpoint-3"], "use true"),
        (["--dataset", "d", "--push_to_hub"], "--hub_model_id"),
        (["--dataset", "d", "--eval_strategy", "no"], "eval"),
        (["--dataset", "d", "--per_device_train_batch_size", "0"], "--per_device_train_batch_size 0"),
        (["--dataset", "d", "--seed", "-1"], "--seed -1"),
        (["--dataset", "d", "--rotate", "nan"], "--rotate nan"),
        (["--dataset", "d", "--mirror", "1"], "--mirror 1.0"),
        (["--dataset", "d", "--noise", "1.01"], "--noise 1.01"),
        (["--dataset", "d", "--noise", "nan"], "--noise nan"),
        (["--dataset", "d", "--zoom", "1"], "--zoom 1"),
        (["--dataset", "d", "--num_train_epochs", "0"], "--num_train_epochs"),
        (["--dataset", "d", "--metric_for_best_model", "luck"], "luck.*auroc"),
        (["--dataset", "d", "--output_dir", "/dev/null/run"], "--output_dir"),
        (["--dataset", "d", "--report_to", "paper"], "--report_to paper"),
        (["--dataset", "d", "--box_weight", "-1"], "--box_weight -1"),
        (["--dataset", "d", "--box_weight", "nan"], "--box_weight nan"),
        (["--dataset", "d", "--box_weight", "1", "--heatmap_weight", "-1"], "--heatmap_weight -1"),
        (["--dataset", "d", "--heatmap_weight", "1"], "--heatmap_weight 1.0 needs --box_weight"),
        (["--dataset", "d", "--box_weight", "1", "--method", "head"], "--box_weight 1.0 trains the backbone"),
        (["--dataset", "d", "--box_weight", "1", "--freeze_backbone"], "--box_weight 1.0 trains the backbone"),
        (["--dataset", "d", "--box_weight", "1", "--streaming"], "--box_weight 1.0 with --streaming"),
        (["--dataset", "d", "--progressive_resizing", "64"], "--progressive_resizing 64: expected SIZE=EPOCHS"),
        (["--dataset", "d", "--progressive_resizing", "64=9", "96=7"], "leaves none of 16 epochs"),
        (["--dataset", "d", "--progressive_resizing", "64=1", "--method", "head"], "with --method head"),
        (["no_such_recipe.yaml"], "no_such_recipe.yaml"),
    ],
)
def test_settings_that_cannot_work_name_themselves(argv, part):
    with pytest.raises(UserError, match=part):
        parse(argv)


@pytest.mark.parametrize(
    ("flags", "method"),
    [([], "lp_ft"), (["--from_scratch"], "full"), (["--freeze_backbone"], "full"), (["--method", "head"], "head")],
)
def test_the_head_comes_first_unless_there_is_nothing_to_fit_it_to(flags, method):
    assert parse(["--dataset", "d", *flags]).model.method == method


@pytest.mark.parametrize("written", ["seeds: 0,1,2", "seeds: [0, 1, 2]"])
def test_each_seed_has_a_run_of_its_own_that_is_not_published(tmp_path, written):
    push = ["--push_to_hub", "--hub_model_id", "demo/m"]
    settings = parse([recipe(tmp_path, f"dataset: d\noutput_dir: out\n{written}"), *push])
    one = settings.for_seed(int(settings.run.seeds[2]))
    assert (one.run.seed, one.run.seeds, one.run.output_dir) == (2, [], "out/seed-2")
    assert settings.run.push_to_hub
    assert not one.run.push_to_hub


OTHER_VALUES = {
    "precision": "fp16",
    "push_to_hub": False,
    "hub_model_id": "demo/other",
    "hub_tag": "v2",
    "hub_space": "demo/other-space",
    "seed": 7,
    "seeds": ["4", "5"],
    "target_sensitivity": 0.8,
    "class_weights": "none",
    "box_weight": 0.5,
    "heatmap_weight": 0.25,
    "progressive_resizing": ["32=1"],
    "early_stopping_patience": 3,
    "output_dir": "other",
}


@pytest.mark.parametrize("changed", OTHER_VALUES)
def test_a_copy_of_the_settings_keeps_all_but_the_one_that_is_changed(changed):
    push = ["--push_to_hub", "--hub_model_id", "demo/m", "--hub_space", "demo/s", "--hub_tag", "v1"]
    run = parse(["--dataset", "d", "--precision", "bf16", "--use_cpu", "--seeds", "0,1", *push]).run
    copy = dataclasses.replace(run, **{changed: OTHER_VALUES[changed]})
    before, after = (
        {field.name: getattr(settings, field.name) for field in dataclasses.fields(run)} for settings in (run, copy)
    )
    assert after == before | {changed: OTHER_VALUES[changed]}


def test_the_trainer_never_pushes_and_gets_the_precision_that_was_asked_for():
    push = ["--push_to_hub", "--hub_model_id", "demo/m"]
    run = parse(["--dataset", "d", "--precision", "bf16", "--use_cpu", *push]).run
    for_trainer = run.for_trainer()
    assert (for_trainer.push_to_hub, for_trainer.bf16, for_trainer.fp16) == (False, True, False)
    assert run.push_to_hub
    fp32 = dataclasses.replace(run, precision="fp32").for_trainer()
    assert (fp32.bf16, fp32.mixed_precision) == (False, "no")


def test_a_published_recipe_is_a_recipe(tmp_path):
    published = yaml.safe_dump(parse(["--dataset", "d", "--learning_rate", "1e-3"]).recipe())
    assert parse([recipe(tmp_path, published)]).run.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("cuda", "bf16", "capability", "cpu", "chosen"),
    [
        (True, True, (8, 0), False, ("fp32", "bf16")),
        (True, False, (7, 5), True, ("fp32", "fp16")),
        (True, False, (6, 1), True, ("fp32",)),
        (False, False, (0, 0), True, ("fp32", "bf16")),
        (False, False, (0, 0), False, ("fp32",)),
    ],
)
def test_only_what_the_hardware_is_made_for_is_measured(monkeypatch, cuda, bf16, capability, cpu, chosen):
    monkeypatch.setattr(arguments.torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(arguments.torch.cuda, "is_bf16_supported", lambda **_: bf16)
    monkeypatch.setattr(arguments.torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(arguments.torch.cpu, "get_capabilities", lambda: {"avx512_bf16": cpu, "amx_tile": False})
    assert arguments.precisions(use_cpu=False) == chosen


@pytest.mark.parametrize("reporter", ["tensorboard", "trackio", "comet_ml"])
def test_a_reporter_that_is_not_installed_is_named_with_the_command_that_installs_it(reporter):
    if find_spec(reporter):
        pytest.skip(f"{reporter} is installed")
    with pytest.raises(UserError, match=rf"--report_to {reporter}: .*\(pip install {reporter.replace('_', '-')}\)"):
        parse(["--dataset", "d", "--report_to", reporter])


@pytest.mark.parametrize("text", ["- a\n- b", "a: [", "\x00"])
def test_a_recipe_that_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(UserError, match=r"recipe\.yaml"):
        parse([recipe(tmp_path, text)])


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_parses_as_written(path):
    settings = parse([str(path), "--dataset", "d"])
    parts = (settings.data, settings.model, settings.augmentation, settings.run)
    for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        owner = next(part for part in parts if hasattr(part, name))
        assert getattr(owner, name) == value, name


def test_every_field_of_ours_is_documented():
    for part in OWN:
        for field in dataclasses.fields(part):
            assert field.metadata.get("help"), field.name


def test_the_recipe_that_is_published_names_no_path(tmp_path):
    folder = tmp_path / "prepared"
    folder.mkdir()
    assert parse(["--dataset", str(folder)]).recipe()["dataset"] == "prepared"
