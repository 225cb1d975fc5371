"""Neural networks on Values: modules, layers, losses, files."""

from tinygrad_edu.nn.checkpoint import load, read, save
from tinygrad_edu.nn.containers import Residual, Sequential
from tinygrad_edu.nn.init import (
    INITIALIZERS,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    zeros,
)
from tinygrad_edu.nn.layers import ACTIVATIONS, MLP, Layer, Neuron
from tinygrad_edu.nn.losses import (
    binary_cross_entropy,
    cross_entropy,
    hinge,
    log_softmax,
    logsumexp,
    mse,
    softmax,
)
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import BatchNorm, Dropout, LayerNorm
from tinygrad_edu.nn.penalties import L1, L2

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "L1",
    "L2",
    "MLP",
    "BatchNorm",
    "Dropout",
    "Layer",
    "LayerNorm",
    "Module",
    "Neuron",
    "Residual",
    "Sequential",
    "binary_cross_entropy",
    "cross_entropy",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "hinge",
    "load",
    "log_softmax",
    "logsumexp",
    "mse",
    "read",
    "save",
    "softmax",
    "zeros",
]
