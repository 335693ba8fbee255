"""The out-of-distribution gate: is an image like the X-rays that the model was trained on?

`fitting` is not imported here: it needs scikit-learn.
"""

from cxr.gate.gate import Gate

__all__ = ["Gate"]
