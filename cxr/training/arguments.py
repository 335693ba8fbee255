"""All settings of a run: dataclasses that are filled from a YAML recipe, from flags, or from both (flags win)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments
from transformers.integrations import get_reporting_integration_callbacks

from cxr.cli import OneLineErrors, make_folder
from cxr.errors import UserError, one_line
from cxr.network.model import BACKBONE
from cxr.schema.set_summary import METRIC_NAMES
from cxr.statistics.metrics import ERRORS
from cxr.training.resizing import ProgressiveResizing

METHODS = ("head", "lp_ft", "full")
FINGERPRINTS = ("all", "images", "none")
AUTO = "auto"
PRECISIONS = (AUTO, "fp32", "bf16", "fp16")
MAX_BOX_WEIGHT = 100
_SEEDS = 2**32


def setting(default: object, description: str) -> Any:
    """A dataclass field whose description is printed by `--help`."""
    return field(default=default, metadata={"help": description})


@dataclass
class DataArguments:
    """The dataset, and the external sets that the finished model is evaluated on."""

    dataset: str = setting("", "Folder written by `python -m dataset_script`, or the id of such a dataset on the Hub.")
    dataset_revision: str | None = setting(None, "Branch, tag or commit of a dataset on the Hub; default: newest.")
    external: list[str] = field(
        default_factory=list,
        metadata={"help": "NAME=DATASET …: prepared datasets on whose test split the finished model is evaluated."},
    )
    streaming: bool = setting(False, "Read the training split while training, for sets larger than disk or memory.")
    fingerprints: str = setting(
        "all",
        "What is published by which others find out whether their data share any with this model's: all (files, images "
        "and patients, as hashes), images (no patients) or none.",
    )
    shuffle_buffer: int = setting(1000, "With --streaming: number of images from which the next one is drawn.")

    def check(self) -> None:
        """Raise a `UserError` that names the first setting that cannot work."""
        for external in self.external:
            if not all(external.partition("=")):
                raise UserError(
                    f"--external {external}: expected NAME=DATASET, a name of your choice and a prepared dataset"
                )
        if not self.dataset:
            raise UserError("--dataset is missing: name a folder from `python -m dataset_script`, or a Hub id")
        if self.fingerprints not in FINGERPRINTS:
            raise UserError(f"--fingerprints {self.fingerprints!r} is none of {', '.join(FINGERPRINTS)}")
        _check_at_least_one(self, "shuffle_buffer")


@dataclass
class ModelArguments:
    """The network, the weights it starts from, and which of them are trained."""

    backbone: str = setting(BACKBONE, "Hub id or folder of the ResNet that training starts from.")
    backbone_revision: str | None = setting(None, "Branch, tag or commit of the backbone; default: newest.")
    from_scratch: bool = setting(False, "Start a ResNet-50 from random weights instead; the card says so.")
    method: str | None = setting(
        None,
        "head (a linear head on the backbone's features, which are computed once), lp_ft (the head first, then all "
        "layers) or full (all layers from the first step); default: lp_ft, or full with --from_scratch or "
        "--freeze_backbone.",
    )
    head_views: int = setting(4, "Views of each image that the head is fitted to: the original and augmented ones.")
    freeze_backbone: bool = setting(
        False, "Train only the head, by gradient descent; BatchNorm statistics of the backbone stay fixed."
    )
    input_size: int = setting(224, "Side in pixels of the square network input.")

    def __post_init__(self) -> None:
        """Choose the method where none is given: a linear head on random features would be pointless."""
        if self.method is None:
            self.method = "full" if self.from_scratch or self.freeze_backbone else "lp_ft"

    def check(self) -> None:
        """Raise a `UserError` that names the first setting that cannot work."""
        if self.input_size < 32:
            raise UserError(f"--input_size {self.input_size} is too small for a ResNet: 32 at least, 224 by default")
        if self.method not in METHODS:
            raise UserError(f"--method {self.method!r} is none of {', '.join(METHODS)}")
        if self.from_scratch and self.freeze_backbone:
            raise UserError("--freeze_backbone with --from_scratch would freeze random weights: leave one of them out")
        if self.from_scratch and self.method != "full":
            raise UserError(f"--method {self.method} with --from_scratch would fit a head to random features: use full")
        if self.freeze_backbone and self.method != "full":
            raise UserError(f"--freeze_backbone with --method {self.method}: leave one of them out")
        _check_at_least_one(self, "head_views")


@dataclass
class AugmentationArguments:
    """How training images are varied."""

    rotate: float = setting(7.0, "Largest rotation in either direction, in degrees.")
    shift: float = setting(0.05, "Largest shift in either direction along each axis, as a fraction of the side.")
    zoom: float = setting(0.1, "Largest zoom in or out, as a fraction (0.1: from 0.9 to 1.1 times).")
    shear: float = setting(0.0, "Largest shear in either direction, as its tangent.")
    brightness: float = setting(0.2, "Largest change of brightness, in ImageNet standard deviations.")
    contrast: float = setting(0.2, "Largest change of contrast, as a fraction (0.2: from 0.8 to 1.2 times).")
    mirror: float = setting(0.0, "Share of images mirrored left to right. Off by default: the heart is on the left.")
    noise: float = setting(1.0, "Share of images with noise of a random strength: another sensor and dose every time.")

    def check(self) -> None:
        """Raise a `UserError` that names the first setting that cannot work."""
        for name, value in dataclasses.asdict(self).items():
            limit = 180 if name == "rotate" else 1
            if name != "noise" and not 0 <= value < limit:
                raise UserError(f"--{name} {value} must be 0 (off) or more, and below {limit}")
        if not 0 <= self.noise <= 1:
            raise UserError(f"--noise {self.noise} must be a share from 0 (off) to 1 (every image)")


@dataclass
class RunArguments(TrainingArguments):
    """The Trainer's arguments with this project's defaults, and the settings that the Trainer lacks.

    The fields hold what was asked for, so `dataclasses.replace` keeps all of them. What the Trainer gets instead of
    `precision` and `push_to_hub` is worked out by `for_trainer`.
    """

    output_dir: str = setting("runs/latest", "Run folder: checkpoints, logs, and `model/`, which is published.")
    num_train_epochs: float = setting(16.0, "Passes over the training split.")
    per_device_train_batch_size: int = setting(32, "Training batch size on each device.")
    per_device_eval_batch_size: int = setting(32, "Evaluation batch size on each device.")
    learning_rate: float = setting(3e-4, "Peak learning rate.")
    lr_scheduler_type: str = setting("cosine", "Learning-rate schedule.")
    warmup_steps: float = setting(0.05, "Warm-up: number of steps, or a fraction of all steps if below 1.")
    weight_decay: float = setting(0.01, "Weight decay of AdamW.")
    eval_strategy: str = setting("epoch", "When to evaluate on the validation split: no, steps or epoch.")
    save_strategy: str = setting("epoch", "When to save a checkpoint; must match --eval_strategy.")
    logging_strategy: str = setting("epoch", "When to log the training loss.")
    save_total_limit: int | None = setting(2, "Checkpoints kept besides the best one.")
    load_best_model_at_end: bool = setting(True, "Keep the checkpoint with the best --metric_for_best_model.")
    metric_for_best_model: str = setting("auroc", "Validation metric by which the best checkpoint is chosen.")
    remove_unused_columns: bool = setting(False, "Leave off: the collator reads the image column itself.")
    ddp_find_unused_parameters: bool | None = setting(False, "Leave off: every trained weight takes part in the loss.")
    push_to_hub: bool = setting(False, "Publish the finished model as --hub_model_id, in one commit after evaluation.")
    precision: str = setting(AUTO, "auto (the fastest here, measured at the start), fp32, bf16 or fp16.")
    tf32: bool | None = setting(False, "Let CUDA round fp32 to TF32. Off: fp32 scores are the same on every machine.")
    class_weights: str = setting("balanced", "balanced (both classes have the same weight in the loss) or none.")
    box_weight: float = setting(
        0.0, "Weight of a loss that says where opacities are, for datasets in which people marked them; 0: none."
    )
    heatmap_weight: float = setting(
        0.0,
        "With --box_weight: weight of a loss by which heatmaps learn to lie where people marked opacities; 0: none.",
    )
    progressive_resizing: list[str] = field(
        default_factory=list,
        metadata={"help": "SIZE=EPOCHS …, such as 64=16 96=6: train on smaller images first, then at --input_size."},
    )
    early_stopping_patience: int = setting(0, "Stop after this many evaluations without an improvement; 0: never.")
    target_sensitivity: float = setting(0.9, "Sensitivity on validation at which the operating threshold is set.")
    seeds: list[str] = field(
        default_factory=list,
        metadata={"help": "Several seeds, as 0,1,2: each is trained, and the best on validation is published."},
    )
    hub_tag: str | None = setting(None, "Tag for the published commit, such as v1.")
    hub_space: str | None = setting(None, "USER/NAME of a Space to publish as well, pinned to that commit.")

    def __post_init__(self) -> None:
        """Bring the settings into the form that the Trainer expects; doing it again changes nothing."""
        if self.precision not in PRECISIONS:
            raise ValueError(f"--precision {self.precision!r} is none of {', '.join(PRECISIONS)}")
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        self.seeds = [part for item in self.seeds for part in str(item).split(",")]
        super().__post_init__()

    @property
    def model_dir(self) -> Path:
        """Folder of the finished model, laid out as the Hub repo will be."""
        return Path(self.output_dir) / "model"

    @property
    def draft_dir(self) -> Path:
        """Folder in which a model is finished before it takes the place of `model_dir`."""
        return Path(self.output_dir) / "draft" / "model"

    @property
    def resolved_precision(self) -> str:
        """fp32, bf16 or fp16: what trains; the Trainer's own flags `--bf16` and `--fp16` win over `--precision`.

        `auto` stands for fp32 until `cxr.training.precision` has replaced it by what is fastest.
        """
        if self.bf16 or self.fp16:
            return "bf16" if self.bf16 else "fp16"
        return "fp32" if self.precision == AUTO else self.precision

    def for_trainer(self) -> "RunArguments":
        """What the Trainer gets: the precision that was chosen, and no order to push, because publishing comes last.

        With a limit of 1 the Trainer would delete the checkpoint of a stopped run as soon as another one is the best.
        """
        precision, limit = self.resolved_precision, self.save_total_limit
        limit = limit and max(limit, 2)
        bf16, fp16 = precision == "bf16", precision == "fp16"
        return dataclasses.replace(self, bf16=bf16, fp16=fp16, push_to_hub=False, save_total_limit=limit)

    def check(self) -> None:
        """Raise a `UserError` that names the first setting that cannot work."""
        if self.class_weights not in ("balanced", "none"):
            raise UserError(f"--class_weights {self.class_weights!r} is neither balanced nor none")
        if not 0 < self.target_sensitivity <= 1:
            raise UserError(f"--target_sensitivity {self.target_sensitivity} must be above 0 and at most 1")
        if not 0 <= self.box_weight <= MAX_BOX_WEIGHT:
            raise UserError(f"--box_weight {self.box_weight} must be 0 (off) or more, and at most {MAX_BOX_WEIGHT}")
        if not 0 <= self.heatmap_weight <= MAX_BOX_WEIGHT:
            raise UserError(
                f"--heatmap_weight {self.heatmap_weight} must be 0 (off) or more, and at most {MAX_BOX_WEIGHT}"
            )
        if self.push_to_hub and not self.hub_model_id:
            raise UserError("--push_to_hub needs --hub_model_id USER/NAME")
        if self.hub_space and not self.push_to_hub:
            raise UserError("--hub_space needs --push_to_hub: a Space shows a published model")
        _check_at_least_one(
            self, "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"
        )
        if self.max_steps <= 0 and not self.num_train_epochs > 0:
            raise UserError(f"--num_train_epochs {self.num_train_epochs} trains nothing: more than 0, or --max_steps")
        criteria = ("loss", *(name for name in METRIC_NAMES if name not in ERRORS))
        if self.metric_for_best_model.removeprefix("eval_") not in criteria:
            known = ", ".join(criteria)
            raise UserError(f"--metric_for_best_model {self.metric_for_best_model!r} is none of {known}")
        self._check_seeds()
        make_folder("--output_dir", Path(self.output_dir))
        self._check_reporters()

    def _check_seeds(self) -> None:
        if not 0 <= self.seed < _SEEDS:
            raise UserError(f"--seed {self.seed} must lie between 0 and 2**32 - 1")
        listed = ",".join(self.seeds)
        for seed in self.seeds:
            if not (seed.isdecimal() and int(seed) < _SEEDS):
                raise UserError(f"--seeds {listed}: expected whole numbers below 2**32, such as 0,1,2")
        if len(set(map(int, self.seeds))) < len(self.seeds):
            raise UserError(f"--seeds {listed} names one seed twice")
        if self.seeds and self.resume_from_checkpoint not in (None, "true", "True", "false", "False"):
            raise UserError(f"--resume_from_checkpoint {self.resume_from_checkpoint} with --seeds: use true")

    def _check_reporters(self) -> None:
        """Find out now what would otherwise end the run after the data has been read."""
        reporters = [self.report_to] if isinstance(self.report_to, str) else self.report_to or []
        for reporter in reporters:
            try:
                for callback in get_reporting_integration_callbacks([reporter]):
                    callback()
            except ValueError as error:
                raise UserError(f"--report_to {reporter}: {one_line(error)}") from error
            except (ImportError, RuntimeError) as error:
                package = reporter.replace("_", "-")
                raise UserError(f"--report_to {reporter}: {one_line(error)} (pip install {package})") from error


def _check_at_least_one(settings: object, *names: str) -> None:
    for name in names:
        if getattr(settings, name) < 1:
            raise UserError(f"--{name} {getattr(settings, name)} must be at least 1")


def precisions(use_cpu: bool) -> tuple[str, ...]:
    """What is worth measuring here: fp32, and what the hardware has instructions for.

    bf16: AVX-512 BF16 or AMX on a CPU, Ampere or later on CUDA. fp16: CUDA from Volta on. All else is emulated.
    """
    if use_cpu or not torch.cuda.is_available():
        processor = torch.cpu.get_capabilities()
        return ("fp32", "bf16") if processor.get("avx512_bf16") or processor.get("amx_tile") else ("fp32",)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return ("fp32", "bf16")
    return ("fp32", "fp16") if torch.cuda.get_device_capability() >= (7, 0) else ("fp32",)


@dataclass
class Arguments:
    """All settings of one run."""

    data: DataArguments
    model: ModelArguments
    augmentation: AugmentationArguments
    run: RunArguments

    def check(self) -> None:
        """Raise a `UserError` that names the first setting that cannot work."""
        for part in (self.data, self.model, self.augmentation, self.run):
            part.check()
        self._check_boxes()
        self._check_resizing()

    def _check_boxes(self) -> None:
        if self.run.heatmap_weight and not self.run.box_weight:
            raise UserError(f"--heatmap_weight {self.run.heatmap_weight} needs --box_weight, which is 0")
        if not self.run.box_weight:
            return
        if self.model.method == "head" or self.model.freeze_backbone:
            raise UserError(
                f"--box_weight {self.run.box_weight} trains the backbone, which stays as it is: leave it out"
            )
        if self.data.streaming:
            raise UserError(f"--box_weight {self.run.box_weight} with --streaming: leave one of them out")

    def _check_resizing(self) -> None:
        stages = self.run.progressive_resizing
        epochs = ProgressiveResizing(stages, self.model.input_size).epochs
        if stages and self.model.method == "head":
            raise UserError(f"--progressive_resizing {' '.join(stages)} with --method head: leave one of them out")
        if stages and self.run.max_steps <= 0 and epochs >= self.run.num_train_epochs:
            raise UserError(
                f"--progressive_resizing {' '.join(stages)} leaves none of {self.run.num_train_epochs:g} epochs to "
                "train at --input_size: raise --num_train_epochs"
            )

    def for_trainer(self) -> RunArguments:
        """The settings of training by gradient descent, which lasts for no epoch at all if only a head is fitted."""
        settings = self.run.for_trainer()
        if self.model.method == "head":
            return dataclasses.replace(settings, num_train_epochs=0, max_steps=-1)
        return settings

    def for_seed(self, seed: int) -> "Arguments":
        """The same run with one of its seeds, in a subfolder of this run's folder, and never published by itself."""
        folder = str(Path(self.run.output_dir) / f"seed-{seed}")
        run = dataclasses.replace(self.run, seed=seed, seeds=[], output_dir=folder, push_to_hub=False)
        return dataclasses.replace(self, run=run)

    def recipe(self) -> dict[str, Any]:
        """The settings that repeat this run, as plain values; none of them names this machine or its user."""
        parts = (self.data, self.model, self.augmentation)
        values = {key: value for part in parts for key, value in dataclasses.asdict(part).items()}
        values |= {key: getattr(self.run, key) for key in _RECIPE_KEYS}
        return {key: _public(value) for key, value in values.items()}


_RECIPE_KEYS = (
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "optim",
    "seed",
    "seeds",
    "precision",
    "class_weights",
    "box_weight",
    "heatmap_weight",
    "progressive_resizing",
    "early_stopping_patience",
    "metric_for_best_model",
    "target_sensitivity",
)


def _public(value: Any) -> Any:
    """A plain value; a folder becomes its last part, so that no recipe contains a path of this machine."""
    if isinstance(value, list):
        return ["=".join([*item.split("=", 1)[:-1], _public(item.split("=", 1)[-1])]) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str) and Path(value).is_dir():
        return Path(value).resolve().name
    return value


class _Parser(OneLineErrors, HfArgumentParser):
    pass


def parse(argv: Sequence[str]) -> Arguments:
    """Read and check `[RECIPE.yaml] [--flag value …]`.

    The recipe becomes flags in front of the given ones, so both are converted alike and the later one wins; `1e-3`,
    which YAML takes for a string, is a number here.

    Raises:
        UserError: for an unreadable recipe, or settings that cannot work or contradict each other.
    """
    parts: Any = [DataArguments, ModelArguments, AugmentationArguments, RunArguments]
    parser = _Parser(parts, prog="train_hf.py", description="Fine-tune, evaluate and publish. [RECIPE.yaml] [--flags]")
    argv = list(argv)
    if argv and argv[0].endswith((".yaml", ".yml")):
        argv = _recipe_flags(Path(argv[0])) + argv[1:]
    parser.parse_args(argv)
    try:
        arguments = Arguments(*parser.parse_args_into_dataclasses(argv))
        arguments.run.for_trainer()
    except (ValueError, ImportError) as error:
        raise UserError(one_line(error)) from error
    arguments.check()
    return arguments


def _recipe_flags(path: Path) -> list[str]:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"recipe {path} cannot be read: {error.strerror}; see the recipes/ folder") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {path} is not valid YAML: {one_line(error)}") from error
    if not isinstance(recipe, dict):
        raise UserError(f"recipe {path} must consist of `name: value` lines")
    flags = []
    for name, value in recipe.items():
        if value not in (None, []):
            values = value if isinstance(value, list) else [value]
            flags += [f"--{name}", *map(str, values)]
    return flags
