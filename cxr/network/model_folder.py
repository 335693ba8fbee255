"""Reading a model folder of any origin: every value is checked before it takes memory or reaches the network.

`from_pretrained` follows whatever stands in `config.json` (quantization, millions of layers), and fills gaps in the
weights with random numbers. Here a ResNet is built from the keys that describe one, without memory for its weights, and
gets them only if the file has exactly those, each a finite number.
"""

import operator
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator, model_validator
from safetensors import safe_open
from transformers import ResNetConfig, ResNetForImageClassification

from cxr.schema.labels import ID2LABEL, LABEL2ID
from cxr.schema.model_repo import CONFIG, WEIGHTS, ConfigKeys
from cxr.schema.settings_file import Settings, read_settings

MAX_LAYERS = 512
MAX_WEIGHTS = 300_000_000
"""1.2 GB in float32; a ResNet-152 has 60 million."""

MAX_ACTIVATIONS = 100_000_000
"""Numbers in the largest feature map of one image; a ResNet-50 at 224 px has 0.8 million."""

MAX_MULTIPLICATIONS = 500_000_000_000
"""For one image, some seconds; a ResNet-50 at 224 px takes 4 thousand million."""

_HEAD = "classifier.1."
_COUNTER = "num_batches_tracked"
_Width = Annotated[int, Field(ge=4, le=16_384)]
_Stages = Field(min_length=2, max_length=8)


class _Architecture(Settings):
    """The keys of `config.json` that describe a ResNet, with the defaults of `ResNetConfig`."""

    num_channels: Literal[3] = 3
    embedding_size: _Width = 64
    hidden_sizes: Annotated[list[_Width], _Stages] = Field(default=[256, 512, 1024, 2048])
    depths: Annotated[list[Annotated[int, Field(ge=1, le=MAX_LAYERS)]], _Stages] = Field(default=[3, 4, 6, 3])
    layer_type: Literal["basic", "bottleneck"] = "bottleneck"
    hidden_act: Annotated[str, Field(max_length=40)] = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False

    @model_validator(mode="after")
    def _stages_agree(self) -> "_Architecture":
        if len(self.depths) != len(self.hidden_sizes):
            raise ValueError(f"{len(self.depths)} depths for {len(self.hidden_sizes)} hidden_sizes")
        if sum(self.depths) > MAX_LAYERS:
            raise ValueError(f"over {MAX_LAYERS} layers")
        return self


class _Kind(Settings):
    """What decides whether the rest of `config.json` can be read."""

    model_type: Annotated[str, Field(max_length=80)]
    quantization_config: Any = None

    @field_validator("quantization_config")
    @classmethod
    def _is_none(cls, value: object) -> None:
        if value is not None:
            raise ValueError("quantized weights cannot be read")


class _Labels(Settings):
    id2label: dict[Annotated[str, Field(pattern=r"^\d{1,6}$")], str] | None = None


class _OwnKeys(Settings):
    """The keys of `ConfigKeys` as they stand: each is checked where it is used."""

    operating_threshold: Any = None
    conformal: Any = None
    calibration: Any = None
    dataset_fingerprint: Any = None
    synthetic_data: Any = None
    random_weights: Any = None


class NotAResNetError(ValueError):
    """The model is another network; its type is the message."""


def read_config(folder: Path) -> ResNetConfig:
    """The configuration of a ResNet from its architecture, its labels and the keys of `ConfigKeys`, nothing else.

    Raises:
        NotAResNetError: if it is another network.
        ValueError: if a key has a value that it cannot have; in one line.
        OSError: if `config.json` cannot be read.
    """
    path = folder / CONFIG
    kind = read_settings(path, _Kind)
    if kind.model_type != "resnet":
        raise NotAResNetError(kind.model_type)
    own = read_settings(path, _OwnKeys).model_dump(exclude_unset=True)
    assert own.keys() <= ConfigKeys.__annotations__.keys()
    return ResNetConfig(**read_settings(path, _Architecture).model_dump(), **_labels(path), **own)


def _labels(path: Path) -> dict[str, Any]:
    """`id2label` and `label2id` as `ResNetConfig` takes them; without any, its own defaults."""
    listed = read_settings(path, _Labels).id2label
    if listed is None:
        return {}
    names = {int(index): name for index, name in listed.items()}
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"{path.name}: id2label: the classes are not numbered from 0")
    return {"id2label": names, "label2id": {name: index for index, name in names.items()}}


def load_network(folder: Path, config: ResNetConfig, *, new_head: bool = False) -> ResNetForImageClassification:
    """The network in float32, in evaluation mode; with `new_head` its head has two classes and no weights yet.

    Raises:
        ValueError: if `model.safetensors` lacks weights of this architecture, or has others, or they are broken.
        SafetensorError, OSError: if it cannot be read.
    """
    if new_head:
        config.id2label, config.label2id = dict(ID2LABEL), dict(LABEL2ID)
    with torch.device("meta"):  # no memory yet
        model = ResNetForImageClassification(config)
    expected = {name: weight for name, weight in model.state_dict().items() if not (new_head and _HEAD in name)}
    count = sum(weight.numel() for weight in expected.values())
    if count > MAX_WEIGHTS:
        raise ValueError(f"{CONFIG} describes a network of {count:,} weights, over {MAX_WEIGHTS:,}")
    weights = _read_weights(folder / WEIGHTS, expected)
    model.load_state_dict(weights, strict=False, assign=True)
    return model.eval()


def check_cost(config: ResNetConfig, height: int, width: int) -> None:
    """Refuse a network whose answer for one image of this size in pixels takes far too much memory or time.

    Raises:
        ValueError: if it does; sizes that are sane one by one may not be so together.
    """
    depths, widths = config.depths or (), config.hidden_sizes or ()
    pixels = [height * width / 4 ** (stage + 2) for stage in range(len(depths))]
    maps = [config.embedding_size * height * width / 4, *map(operator.mul, widths, pixels)]
    each = 18.0 if config.layer_type == "basic" else 1.1  # multiplications for a pixel and a pair of channels
    stages = zip(depths, widths, pixels, strict=True)
    multiplications = sum(each * depth * channels**2 * size for depth, channels, size in stages)
    if max(maps) > MAX_ACTIVATIONS or multiplications > MAX_MULTIPLICATIONS:
        raise ValueError(f"{CONFIG} describes a network that takes too much for an image of {width} x {height} pixels")


def _read_weights(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    with safe_open(path, "pt") as file:
        there = set(file.keys())
        missing = [name for name in expected if name not in there and not name.endswith(_COUNTER)]
        if missing:
            raise ValueError(f"{path.name} lacks {len(missing)} weights ({missing[0]}, …)")
        for name in there & expected.keys():
            shape = tuple(file.get_slice(name).get_shape())
            if shape != tuple(expected[name].shape):
                raise ValueError(f"{path.name}: {name} has the shape {shape}, not {tuple(expected[name].shape)}")
        return {name: _weight(file, name, there, like) for name, like in expected.items()}


def _weight(file: Any, name: str, there: set[str], like: torch.Tensor) -> torch.Tensor:
    """A tensor of the file in the type that the network has it in, if its values make sense."""
    if name not in there:
        return torch.zeros(like.shape, dtype=like.dtype)
    weight = file.get_tensor(name).to(like.dtype)
    if weight.is_floating_point() and not weight.isfinite().all():
        raise ValueError(f"{WEIGHTS}: {name} holds values that are not finite numbers")
    if name.endswith("running_var") and (weight < 0).any():
        raise ValueError(f"{WEIGHTS}: {name} holds negative variances")
    return weight
