"""The embedded Hub: the part of huggingface.co that this project needs, on loopback, stored in a folder.

Nothing here imports `huggingface_hub`, which reads its settings at import: start a Hub first, then set `HF_ENDPOINT`.
"""

from cxr.local_hub.access import TOKEN, USER, Account, Tokens
from cxr.local_hub.server import LocalHub, environment

__all__ = ["TOKEN", "USER", "Account", "LocalHub", "Tokens", "environment"]
