"""Edits of a model folder as a careless or hostile publisher would make them: seeded relatives of each kind."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from cxr.schema.model_repo import CONFIG, GATE, PREPROCESSOR, WEIGHTS

Edit = Callable[[Path], None]
"""Changes a folder in place."""

_HUGE = (10**6, 10**9, 10**18, 10**40, 1e9, 1e308)
_ODD = (None, True, -1, 0, 0.5, "", "x", "1", [], {}, [[]], {"a": 1}, [None], "\x1b[31m\n", *_HUGE)
_RAW = ("NaN", "Infinity", "-Infinity", "1" * 5000, "[" * 3000 + "]" * 3000, '"\\ud800"')
_QUANTIZERS = ("bitsandbytes", "gptq", "awq", "fp8", "torchao", "hqq", "quanto", "eetq", "higgs", "none of these", "")


def _set(file: str, key: str, value: Any) -> Edit:
    def edit(folder: Path) -> None:
        settings = json.loads((folder / file).read_text())
        settings[key] = value
        (folder / file).write_text(json.dumps(settings))

    return edit


def _set_raw(file: str, key: str, text: str) -> Edit:
    """Set a key to text that Python's own encoder would not write."""

    def edit(folder: Path) -> None:
        _set(file, key, "PLACE")(folder)
        (folder / file).write_text((folder / file).read_text().replace('"PLACE"', text))

    return edit


def quantization(rng: random.Random) -> Edit:
    settings = {"quant_method": rng.choice(_QUANTIZERS), "load_in_8bit": rng.choice((True, False, "x")), "bits": 4}
    kept = {key: value for key, value in settings.items() if rng.random() < 0.8}
    return _set(CONFIG, "quantization_config", rng.choice((kept, kept, kept, [], "int8", 8, True)))


def labels(rng: random.Random) -> Edit:
    names = ["NON-COVID", "COVID"]
    wrong = (
        names,
        {"0": names},
        {"0": 0, "1": 1},
        {"a": "COVID", "b": "NON-COVID"},
        {"-1": "COVID", "0": "NON-COVID"},
        {"0": "COVID", "7": "NON-COVID"},
        {"0": "COVID", "1": "COVID"},
        {"0": "COVID", "00": "NON-COVID"},
        {str(number): "x" * rng.randrange(200) for number in range(rng.choice((1, 3, 2000)))},
        {"9" * rng.randrange(7, 6000): "COVID"},
        rng.choice(_ODD[3:]),
    )
    return _set(CONFIG, "id2label", rng.choice(wrong))


def architecture(rng: random.Random) -> Edit:
    key = rng.choice(("depths", "hidden_sizes", "embedding_size", "num_channels", "layer_type", "hidden_act"))
    huge = rng.choice(_HUGE)
    wrong = ([huge] * 4, [1, 1, huge, 1], [1] * 100_000, [0] * 4, [-1] * 4, [1.5] * 4, huge, *_ODD[1:])
    if rng.random() < 0.2:
        return _set_raw(CONFIG, key, rng.choice(_RAW))
    return _set(CONFIG, key, rng.choice([value for value in wrong if value != 1]))


def own_keys(rng: random.Random) -> Edit:
    """The keys that transformers does not know."""
    key = rng.choice(("operating_threshold", "conformal", "conformal", "operating_threshold", "calibration"))
    quantiles = {"level": 0.9, "quantiles": rng.choice((*_ODD, {"COVID": 2, "NON-COVID": 0.1}, {"COVID": 0.1}))}
    if rng.random() < 0.2:
        return _set_raw(CONFIG, key, rng.choice(_RAW))
    return _set(CONFIG, key, rng.choice((quantiles, *_ODD)))


def crop(rng: random.Random) -> Edit:
    if rng.random() < 0.2:
        return _set_raw(PREPROCESSOR, "crop_pct", rng.choice(_RAW))
    return _set(PREPROCESSOR, "crop_pct", rng.choice((0, 0.0, -0.5, 1e-9, 1e-320, 2, 1.0001, *_ODD[5:])))


def size(rng: random.Random) -> Edit:
    side = rng.choice((0, -1, 1, 10**5, 1e9, 1e308, 10**9, 10**40, "224", [224], {"shortest_edge": 224}, True))
    key = rng.choice(("shortest_edge", "height", "longest_edge", "edge"))
    return _set(PREPROCESSOR, "size", rng.choice(({key: side}, {key: side, "width": side}, side, {}, [])))


def processing(rng: random.Random) -> Edit:
    key = rng.choice(("resample", "resample", "resample", "image_std", "image_mean", "rescale_factor", "do_normalize"))
    if rng.random() < 0.2:
        return _set_raw(PREPROCESSOR, key, rng.choice(_RAW))
    odd = (99, -7, 6, "bicubic", [0.0, 0.0, 0.0], [1.0], [1.0] * 4, [1e-320] * 3, *_ODD[6:])
    return _set(PREPROCESSOR, key, rng.choice(odd))


def processor_type(rng: random.Random) -> Edit:
    names = (
        "CLIPImageProcessor",
        "SamImageProcessor",
        "os.system",
        "../../x",
        "AutoImageProcessor",
        "Donut",
        "x" * 999,
    )
    return _set(PREPROCESSOR, "image_processor_type", rng.choice((*names, *_ODD[1:])))


def gate(rng: random.Random) -> Edit:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / GATE)
        about: Any = {"version": "1", "made_from": "phantoms"}
        name = rng.choice(sorted(tensors))
        change = rng.randrange(7)
        if change == 0:
            about = rng.choice(_ODD)
        elif change == 1:
            about["version"] = rng.choice(_ODD)
        elif change == 2:
            del tensors[name]
        elif change == 3:
            tensors[name] = torch.zeros(rng.choice(((), (0,), (1,), (3, 3), (7,)))) + 0.5
        elif change == 4:
            tensors[name] = torch.full_like(tensors[name], rng.choice((torch.nan, torch.inf, -torch.inf)))
        elif change == 5:
            tensors["scale"] = torch.full_like(tensors["scale"], rng.choice((0.0, -1.0)))
        metadata = {"gate": json.dumps(about)} if change != 6 else {rng.choice(("gate", "x")): rng.choice(_RAW)}
        save_file(tensors, folder / GATE, metadata=metadata)

    return edit


def weights(rng: random.Random) -> Edit:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        variances = [name for name in tensors if name.endswith("running_var")]
        floats = [name for name in tensors if tensors[name].is_floating_point() and "classifier" not in name]
        name, change = rng.choice(floats), rng.randrange(5)
        if change == 0:
            tensors[name].view(-1)[0] = rng.choice((torch.nan, torch.inf, -torch.inf))
        elif change == 1:
            tensors[rng.choice(variances)].view(-1)[-1] = -rng.random() - 1e-6
        elif change == 2:
            tensors[name] = torch.zeros((*tensors[name].shape, 2))
        elif change == 3:
            tensors[name] = tensors[name].reshape(-1)[: rng.randrange(4)].clone()
        else:
            del tensors[name]
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return edit


def bytes_of_a_file(rng: random.Random) -> Edit:
    """Cut, empty, overwrite, or replace one file."""

    def edit(folder: Path) -> None:
        path = folder / rng.choice((CONFIG, PREPROCESSOR, WEIGHTS, GATE))
        content, change = path.read_bytes(), rng.randrange(4)
        at = rng.randrange(min(len(content), 400))
        if change == 0:
            content = content[:at]
        elif change == 1:
            content = rng.randbytes(rng.randrange(64))
        elif change == 2:
            content = (2**60 + at).to_bytes(8, "little") + content[8:]
        else:
            content = rng.choice((b"[]", b"null", b'"x"', b"{}", b"\xff\xfe", b"[" * 4000, b"0" * 300))
        path.write_bytes(content)

    return edit


KINDS = {
    edit.__name__: edit
    for edit in (
        quantization,
        labels,
        architecture,
        own_keys,
        crop,
        size,
        processing,
        processor_type,
        gate,
        weights,
        bytes_of_a_file,
    )
}
"""By name, what makes an edit of one kind from a generator."""
