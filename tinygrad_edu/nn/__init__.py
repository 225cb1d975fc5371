"""Neural networks on Values: modules, layers, losses, files."""

from tinygrad_edu.nn.checkpoint import load, read, save
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

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "MLP",
    "Layer",
    "Module",
    "Neuron",
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
