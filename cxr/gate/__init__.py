"""The gate: is this a picture like the X-rays that the model learned from?

`fitting` lies apart: it needs scikit-learn.
"""

from cxr.gate.gate import FILE_NAME, Gate

__all__ = ["FILE_NAME", "Gate"]
