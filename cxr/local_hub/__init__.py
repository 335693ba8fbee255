"""The embedded Hub: what `huggingface_hub` needs of huggingface.co, on loopback, from a folder.

Nothing here imports `huggingface_hub`, which reads its address at import: start a Hub first, then set `HF_ENDPOINT`.
"""

from cxr.local_hub.access import TOKEN, USER, Account, Tokens
from cxr.local_hub.child import environment
from cxr.local_hub.server import LocalHub

__all__ = ["TOKEN", "USER", "Account", "LocalHub", "Tokens", "environment"]
