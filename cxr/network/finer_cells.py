"""The class activation map between the network's own cells, whose strides are too wide to point at an opacity.

At 128 pixels a ResNet has 4 × 4 cells. Its last stage, dilated instead of strided (the algorithme à trous, as in Yu et
al. 2017, arXiv 1705.09914), computes the same cells with the same weights, and between them what it would see half a
cell further. So every other cell of the finer map, along either axis, is one that the verdict comes from.
"""

import copy

import cv2
import numpy as np
import torch
from torch import nn

from cxr.network.activation_map import Map, activation_map

STEP = 2
"""The network's own cells are this many finer cells apart."""


def finer_stage(model: nn.Module) -> nn.Module:
    """The last stage of a ResNet with `STEP` times as many cells per side: (N, C, 2h, 2w) where it gave (N, C, h, w).

    It shares the weights of the network, so it takes no memory.
    """
    stage = list(model.get_submodule("resnet.encoder.stages").children())[-1]
    shared = {id(tensor): tensor for tensor in (*stage.parameters(), *stage.buffers())}
    finer: nn.Module = copy.deepcopy(stage, shared)
    for part in finer.modules():
        if isinstance(part, nn.Conv2d) and part.stride == (STEP, STEP):
            part.stride = (1, 1)
        elif isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
            part.dilation = part.padding = (STEP, STEP)
    return finer


def finer_map(features: torch.Tensor, head: torch.Tensor, covid: int) -> Map:
    """The class activation map of finer features (C, h, w), float32 (4⌈h/2⌉, 4⌈w/2⌉), in units of the logit.

    A map's cells are taken to lie side by side, and the network has learned its evidence, and what people marked, by
    the place of its own cells. So these stay at their centres, and the finer ones lie between them.
    """
    evidence = activation_map(features, head, covid)
    even = [(0, length % STEP) for length in evidence.shape]
    padded = np.pad(evidence, even, mode="edge")
    height, width = padded.shape
    twice = cv2.resize(padded, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.pad(twice, ((1, 0), (1, 0)), mode="edge")[:-1, :-1], np.float32)
