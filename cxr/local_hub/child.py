"""The environment of a process that shall speak to the embedded Hub and to no other."""

import os
from collections.abc import Mapping
from pathlib import Path

from cxr.local_hub.access import TOKEN

_FOREIGN_PREFIXES = ("HF_", "HUGGINGFACE", "HUGGING_FACE", "TRANSFORMERS_", "DATASETS_", "GRADIO_", "SPACE_")
_FOREIGN_NAMES = ("MODEL_ID", "MODEL_REVISION", "NO_PROXY", "no_proxy")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def environment(url: str, home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (by default this process's environment) without the user's Hub settings, pointed at the Hub at `url`.

    `home` becomes `HF_HOME`, so neither caches nor a stored login of the user's are seen. Variables must be set before
    `huggingface_hub` is imported: give the result to a new process. hf-xet is off, for it speaks no plain LFS, and
    proxies are told to leave loopback alone.
    """
    base = os.environ if base is None else base
    kept = {key: value for key, value in base.items() if not _is_foreign(key)}
    direct = _without_proxy(base)
    return kept | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN_PREFIXES) or name in _FOREIGN_NAMES


def _without_proxy(base: Mapping[str, str]) -> str:
    hosts = [host.strip() for name in ("NO_PROXY", "no_proxy") for host in base.get(name, "").split(",")]
    return ",".join(dict.fromkeys(host for host in (*hosts, *_LOOPBACK) if host))
