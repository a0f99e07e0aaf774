"""A PyTorch training loop: eager or compiled, with contiguous or channels-last images."""

from typing import Any

import numpy as np
import torch
from torch import nn

from mnistexp.model.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten
from training_speed.block_timer import BlockTimer
from training_speed.case import ADAM_EPSILON, Case, initial_values

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "linear": nn.Identity}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def train(case: Case, timer: BlockTimer, *, compiled: bool, channels_last: bool) -> float:
    """Train; return the test accuracy.

    Args:
        compiled: use `torch.compile` for forward and backward pass.
        channels_last: keep images and filters in this memory format.
    """
    data = case.data()
    if case.threads is not None:
        torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = build_network(case).to(DEVICE, memory_format=layout)
    optimizer = build_optimizer(case, network)
    images = torch.from_numpy(data.train.images.transpose(0, 3, 1, 2).copy()).to(DEVICE)
    labels = torch.from_numpy(data.train.labels.astype("i8")).to(DEVICE)

    def forward(batch: Any, batch_labels: Any) -> tuple[Any, Any]:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=case.is_mixed):
            logits = network(batch.contiguous(memory_format=layout).float() / 255).float()
        loss = nn.functional.cross_entropy(logits, batch_labels)
        return loss, (logits.detach().argmax(1) == batch_labels).float().mean()

    compute: Any = torch.compile(forward) if compiled else forward
    batches = case.batches(len(labels))
    for _ in range(case.blocks):
        timer.begin()
        totals = torch.zeros(2, device=DEVICE)
        for indices in torch.from_numpy(next(batches)).to(DEVICE):
            loss, accuracy = compute(images[indices], labels[indices])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            totals += torch.stack([loss.detach(), accuracy])
        totals.cpu()  # Waits for the device.
        timer.end()
    return test_accuracy(network, data.test.images, data.test.labels)


def build_network(case: Case) -> nn.Sequential:
    """Build the layers of the model preset."""
    random = np.random.default_rng(0)
    shape: tuple[int, ...] = (1, 28, 28)  # Channels, height, width.
    modules: list[nn.Module] = []
    for _, layer in case.layers():
        match layer:
            case Flatten():
                modules.append(nn.Flatten())
                shape = (int(np.prod(shape)),)
            case Dense():
                modules.append(nn.Linear(shape[0], layer.units, bias=layer.use_bias))
                shape = (layer.units,)
            case Conv2D():
                modules.append(build_convolution(layer, shape[0]))
                assert isinstance(layer.strides, int)
                shape = (layer.filters, *(-(-size // layer.strides) for size in shape[1:]))
            case BatchNormalization():
                modules.append(build_normalization(layer, shape))
            case Dropout():
                modules.append(nn.Dropout(layer.rate))
            case Activation():
                modules.append(ACTIVATIONS[layer.activation]())
            case _:
                raise ValueError(f"expected a layer type of the benchmark. Received: {layer.type}")
        if isinstance(layer, Dense | Conv2D):
            set_weights(modules[-1], layer, random)
            modules.append(ACTIVATIONS[layer.activation]())
    return nn.Sequential(*modules)


def build_convolution(layer: Conv2D, channels: int) -> nn.Conv2d:
    """Build a convolution whose output has the size that Keras' padding `same` gives.

    With strides, Keras pads the right by one pixel more than the left, and PyTorch both sides
    alike, which is as much work.
    """
    assert isinstance(layer.kernel_size, int)
    assert isinstance(layer.strides, int)
    padding = "same" if layer.strides == 1 else (layer.kernel_size - 1) // 2
    size, strides = layer.kernel_size, layer.strides
    return nn.Conv2d(channels, layer.filters, size, strides, padding, bias=layer.use_bias)


def build_normalization(layer: BatchNormalization, shape: tuple[int, ...]) -> nn.Module:
    """Build a batch normalization of images or of rows."""
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    module = kind(shape[0], layer.epsilon, 1 - layer.momentum)
    nn.init.constant_(module.bias, layer.beta_initializer)
    module.weight.requires_grad_(layer.scale)
    return module


def set_weights(module: Any, layer: Dense | Conv2D, random: np.random.Generator) -> None:
    """Initialize kernel and bias as the preset says."""
    kernel = initial_values(layer.kernel_initializer, tuple(module.weight.shape), random)
    module.weight.data.copy_(torch.from_numpy(kernel))
    if layer.use_bias:
        bias = initial_values(layer.bias_initializer, tuple(module.bias.shape), random)
        module.bias.data.copy_(torch.from_numpy(bias))


def build_optimizer(case: Case, network: nn.Module) -> torch.optim.Optimizer:
    """Build PyTorch's fused optimizer of the preset: SGD or Adam."""
    optim = case.config().optim
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if optim.type == "sgd":
        return torch.optim.SGD(weights, optim.learning_rate, fused=True)
    return torch.optim.Adam(weights, optim.learning_rate, eps=ADAM_EPSILON, fused=True)


def test_accuracy(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of test images that are classified correctly."""
    network.eval()
    with torch.no_grad():
        pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        parts = pixels.to(DEVICE).split(1000)
        predicted = [network(part.float() / 255).argmax(1) for part in parts]
    return float(np.mean(torch.cat(predicted).cpu().numpy() == labels))
