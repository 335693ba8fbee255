"""Every setting of a run: dataclasses read from a YAML recipe, from flags, or both (flags win)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments

from cxr.cli import OneLineErrors
from cxr.errors import UserError, one_line
from cxr.model import BACKBONE
from cxr.training.checks import check


def setting(default: object, description: str) -> object:
    """A dataclass field whose description is what `--help` prints."""
    return field(default=default, metadata={"help": description})


@dataclass
class DataArguments:
    """Which dataset."""

    dataset: str = setting("", "Folder written by `python -m dataset_script`, or the id of such a dataset on the Hub.")
    dataset_revision: str | None = setting(None, "Branch, tag or commit of a dataset on the Hub; default: newest.")
    external: list[str] = field(
        default_factory=list,
        metadata={"help": "NAME=DATASET …: prepared sets whose test split the finished model is scored on, once."},
    )
    streaming: bool = setting(False, "Read the training split as it is needed, for sets larger than disk or memory.")
    shuffle_buffer: int = setting(1000, "With --streaming: pictures among which the next one is drawn.")


@dataclass
class ModelArguments:
    """Which network, from which weights it starts, and which of them are trained."""

    backbone: str = setting(BACKBONE, "Hub id or folder of the ResNet whose weights training starts from.")
    backbone_revision: str | None = setting(None, "Branch, tag or commit of the backbone; default: newest.")
    from_scratch: bool = setting(False, "Start a ResNet-50 from random weights instead; the card says so.")
    method: str | None = setting(
        None,
        "head (a linear head fitted to the backbone's features, computed once), lp_ft (that, then every layer) or full "
        "(every layer from the first step); default: lp_ft, but full with --from_scratch or --freeze_backbone.",
    )
    head_views: int = setting(4, "Views of each picture that the head is fitted to: the plain one and augmented ones.")
    freeze_backbone: bool = setting(
        False, "Train the head alone, step by step, through the whole network; BatchNorm keeps its statistics."
    )
    input_size: int = setting(224, "Side in pixels of the square that the network sees.")

    def __post_init__(self) -> None:
        """Say which method is meant where none is named: a linear probe of random weights would be pointless."""
        if self.method is None:
            self.method = "full" if self.from_scratch or self.freeze_backbone else "lp_ft"


@dataclass
class AugmentationArguments:
    """How training pictures vary. None of it mirrors: the heart is on the left."""

    rotate: float = setting(7.0, "Largest rotation either way, in degrees.")
    shift: float = setting(0.05, "Largest shift either way along each axis, as a share of the side.")
    zoom: float = setting(0.1, "Largest zoom in or out, as a share (0.1: from 0.9 to 1.1 times).")
    shear: float = setting(0.0, "Largest shear either way, as its tangent.")
    brightness: float = setting(0.2, "Largest brightness change either way, in standard deviations of ImageNet.")
    contrast: float = setting(0.2, "Largest contrast change, as a share (0.2: from 0.8 to 1.2 times).")


@dataclass
class RunArguments(TrainingArguments):
    """The Trainer's arguments with this project's defaults, and what the Trainer lacks."""

    output_dir: str = setting("runs/latest", "Run folder: checkpoints, logs, and `model/`, which is published.")
    num_train_epochs: float = setting(16.0, "Passes over the training split.")
    per_device_train_batch_size: int = setting(32, "Training batch size on each device.")
    per_device_eval_batch_size: int = setting(32, "Evaluation batch size on each device.")
    learning_rate: float = setting(3e-4, "Peak learning rate.")
    lr_scheduler_type: str = setting("cosine", "Learning-rate schedule.")
    warmup_steps: float = setting(0.05, "Warm-up: steps, or a share of all steps if below 1.")
    weight_decay: float = setting(0.01, "Weight decay of AdamW.")
    eval_strategy: str = setting("epoch", "When to evaluate on the validation split: no, steps or epoch.")
    save_strategy: str = setting("epoch", "When to save a checkpoint; must match --eval_strategy.")
    logging_strategy: str = setting("epoch", "When to log the training loss.")
    save_total_limit: int | None = setting(2, "Checkpoints kept besides the best one.")
    load_best_model_at_end: bool = setting(True, "Keep the checkpoint with the best --metric_for_best_model.")
    metric_for_best_model: str | None = setting("auroc", "Validation metric that picks the best checkpoint.")
    remove_unused_columns: bool = setting(False, "Left off: the collator reads the image column itself.")
    ddp_find_unused_parameters: bool | None = setting(False, "Left off: every trained weight takes part in the loss.")
    precision: str = setting("auto", "auto (bf16 or else fp16 where the hardware is made for it), fp32, bf16 or fp16.")
    tf32: bool | None = setting(False, "Let CUDA round fp32 to TF32. Off: fp32 scores are the same on every machine.")
    class_weights: str = setting("balanced", "balanced (each class weighs the same in the loss) or none.")
    early_stopping_patience: int = setting(0, "Stop after so many evaluations without a better one; 0: never.")
    target_sensitivity: float = setting(0.9, "Sensitivity on validation that fixes the operating threshold.")
    seeds: list[str] = field(
        default_factory=list,
        metadata={"help": "Several seeds, as 0,1,2: each is trained, and the best on validation is published."},
    )
    hub_tag: str | None = setting(None, "Tag for the published commit, such as v1.")
    hub_space: str | None = setting(None, "USER/NAME of a Space to publish as well, which serves that very commit.")

    def __post_init__(self) -> None:
        """Resolve `auto` before the Trainer sees it; keep the publication out of its hands (see publish.py)."""
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise ValueError(f"--precision {self.precision!r} is none of auto, fp32, bf16, fp16")
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        if not (self.fp16 or self.bf16):
            chosen = fast_precision(self.use_cpu) if self.precision == "auto" else self.precision
            self.bf16, self.fp16 = chosen == "bf16", chosen == "fp16"
        self.seeds = [part for item in self.seeds for part in str(item).split(",")]
        self.publish, self.push_to_hub = self.push_to_hub, False
        super().__post_init__()

    @property
    def model_dir(self) -> Path:
        """Folder of the finished model, laid out as the Hub repo will be."""
        return Path(self.output_dir) / "model"


@dataclass
class Arguments:
    """All settings of one run."""

    data: DataArguments
    model: ModelArguments
    augmentation: AugmentationArguments
    run: RunArguments

    def for_seed(self, seed: int) -> "Arguments":
        """The same run with one of its seeds, in a folder of its own below this run's, and published by nobody."""
        folder = str(Path(self.run.output_dir) / f"seed-{seed}")
        run = dataclasses.replace(self.run, seed=seed, seeds=[], output_dir=folder, push_to_hub=False)
        return dataclasses.replace(self, run=run)

    def recipe(self) -> dict[str, object]:
        """What must be set to repeat this run, as plain values: nothing that names this machine or its user."""
        kept = [self.data, self.model, self.augmentation]
        values = {key: value for part in kept for key, value in dataclasses.asdict(part).items()}
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
    "early_stopping_patience",
    "metric_for_best_model",
    "target_sensitivity",
)


def _public(value: object) -> object:
    """A plain value; a folder becomes its last part, so that no recipe names a path of this machine."""
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
    """Read `[RECIPE.yaml] [--flag value …]`.

    A recipe becomes flags placed before the given ones, so both pass the same types and the later one wins; `1e-3`,
    a string to YAML, is the number it looks like.

    Raises:
        UserError: for an unreadable recipe or settings that contradict each other.
    """
    parts = [DataArguments, ModelArguments, AugmentationArguments, RunArguments]
    parser = _Parser(parts, prog="train_hf.py", description="Fine-tune, evaluate and publish. [RECIPE.yaml] [--flags]")
    argv = list(argv)
    if argv and argv[0].endswith((".yaml", ".yml")):
        argv = _recipe_flags(Path(argv[0])) + argv[1:]
    parser.parse_args(argv)
    try:
        arguments = Arguments(*parser.parse_args_into_dataclasses(argv))
    except (ValueError, ImportError) as error:
        raise UserError(one_line(error)) from error
    check(arguments)
    return arguments


def _recipe_flags(path: Path) -> list[str]:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"recipe {path} cannot be read: {error.strerror}; see the recipes/ folder") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {path} is no YAML: {one_line(error)}") from error
    if not isinstance(recipe, dict):
        raise UserError(f"recipe {path} must hold `name: value` lines")
    flags = []
    for name, value in recipe.items():
        values = value if isinstance(value, list) else [value]
        flags += [f"--{name}", *map(str, values)] if value not in (None, []) else []
    return flags


def fast_precision(use_cpu: bool) -> str:
    """The precision that this machine's matrix units are made for.

    bf16: AVX-512 BF16 or AMX on a CPU, Ampere or later on CUDA. fp16: CUDA from Volta on. fp32: everything else.
    """
    if use_cpu or not torch.cuda.is_available():
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "bf16" if native else "fp32"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    return "fp16" if torch.cuda.get_device_capability() >= (7, 0) else "fp32"
