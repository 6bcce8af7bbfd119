"""Networks that `gpu.py` measures, written by hand in PyTorch, without Keras's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gpu_networks import CROPS, LEARNING_RATE, Network, kernel, tower_names
from torch import nn
from torch.nn import functional as F  # noqa: N812

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class TorchByHand:
    """Contender with the methods that `gpu_worker.py` calls."""

    def __init__(self, network: Network, policy: str):
        self.network, self.half = network, policy != "float32"
        self.tower: nn.Module = MultiCrop(network) if network.filters else Plain(network)
        self.head = nn.Linear(1 if network.filters else network.embedding, 1)
        if network.filters:
            nn.init.constant_(self.head.weight, 10.0)
            nn.init.zeros_(self.head.bias)
        else:
            fill(self.head, "head")
        self.parts = nn.ModuleList([self.tower, self.head]).to(DEVICE)
        self.optimizer = torch.optim.Adam(self.parts.parameters(), LEARNING_RATE, eps=1e-7)
        self.kernels = [p for p in self.parts.parameters() if p.ndim > 1]

    def place(self, *arrays: np.ndarray) -> list[torch.Tensor]:
        """Copy arrays to the device. Images get their channels first, as PyTorch expects them."""
        return [
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(a, -1, 1) if a.ndim > 1 else a)).to(
                DEVICE
            )
            for a in arrays
        ]

    def total_loss(
        self, left: torch.Tensor, right: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=self.half):
            embeddings = [self.tower(images.float() / 255) for images in (left, right)]
        a, b = (embedding.float() for embedding in embeddings)
        compared = F.cosine_similarity(a, b)[:, None] if self.network.filters else abs(a - b)
        loss = F.binary_cross_entropy_with_logits(self.head(compared)[:, 0], labels)
        if not self.network.filters:
            loss = loss + self.network.l2 * sum(p.square().sum() for p in self.kernels)
        return loss

    def loss(self, *batch: torch.Tensor) -> float:
        self.parts.eval()
        with torch.no_grad():
            return float(self.total_loss(*batch))

    def step(self, *batch: torch.Tensor) -> None:
        self.parts.train()
        self.optimizer.zero_grad()
        self.total_loss(*batch).backward()
        self.optimizer.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()


def fill(module: Any, name: str) -> Any:
    """Set a kernel to the values that the versions in Keras have, and the bias to 0."""
    order = (2, 3, 1, 0) if module.weight.ndim == 4 else (1, 0)
    shape = tuple(module.weight.shape[axis] for axis in order)
    back = (3, 2, 0, 1) if module.weight.ndim == 4 else (1, 0)
    with torch.no_grad():
        drawn = np.ascontiguousarray(kernel(name, shape).transpose(back))
        module.weight.copy_(torch.from_numpy(drawn))
        if module.bias is not None:
            module.bias.zero_()
    return module


class Plain(nn.Module):
    """Network of Koch et al. (2015) for one image."""

    def __init__(self, network: Network):
        super().__init__()
        channels, size, modules = 1, network.image, []
        for index, (filters, width) in enumerate(network.blocks, start=1):
            conv = fill(nn.Conv2d(channels, filters, width), f"tower/conv_{index}")
            modules += [conv, nn.ReLU()]
            channels, size = filters, size - width + 1
            if index < len(network.blocks):
                modules.append(nn.MaxPool2d(2))
                size //= 2
        self.blocks = nn.Sequential(*modules)
        dense = nn.Linear(size * size * channels, network.embedding)
        self.embedding = fill(dense, "tower/embedding")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.embedding(flat(self.blocks(images))))


class MultiCrop(nn.Module):
    """Residual networks for three crops of one image."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.towers = nn.ModuleList([Residual(network, name) for name in tower_names()])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        parts = []
        for tower, share in zip(self.towers, CROPS, strict=True):
            kept = round(share * self.network.image)
            start = (self.network.image - kept) // 2
            seen = images[:, :, start : start + kept, start : start + kept]
            size = (self.network.crop, self.network.crop)
            seen = F.interpolate(seen, size, mode="bilinear", align_corners=False)
            parts.append(F.normalize(tower(seen).float(), dim=1))
        return torch.cat(parts, 1)


class Residual(nn.Module):
    """Residual network for one crop."""

    def __init__(self, network: Network, name: str):
        super().__init__()
        channels = network.filters[0]
        modules: list[nn.Module] = [
            Same(fill(nn.Conv2d(1, channels, 5, 2), f"{name}/conv_1")),
            nn.ReLU(),
            norm(channels),
        ]
        size = -(-network.crop // 2)
        for index, filters in enumerate(network.filters, start=2):
            modules.append(Block(channels, filters, f"{name}/block_{index}_conv"))
            channels, size = filters, -(-size // 2)
        self.blocks = nn.Sequential(*modules)
        self.dropout = nn.Dropout(network.dropout)
        dense = nn.Linear(size * size * channels, network.embedding)
        self.embedding = fill(dense, f"{name}/embedding")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.embedding(self.dropout(flat(self.blocks(images))))


class Block(nn.Module):
    """Residual block of stride 2."""

    def __init__(self, channels: int, filters: int, name: str):
        super().__init__()

        def conv(inputs: int, size: int, stride: int, part: str) -> nn.Module:
            kernels = nn.Conv2d(inputs, filters, size, stride, bias=False)
            return nn.Sequential(Same(fill(kernels, f"{name}_{part}")), norm(filters))

        pool = nn.AvgPool2d(2, ceil_mode=True)
        self.shortcut = nn.Sequential(pool, conv(channels, 1, 1, "shortcut"))
        self.first, self.second = conv(channels, 3, 2, "1"), conv(filters, 3, 1, "2")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Same(nn.Module):
    """Convolution with Keras's padding "same", which puts the odd pixel at the end."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, stride = self.conv.kernel_size[0], self.conv.stride[0]
        missing = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[2:]]
        height, width = ((n // 2, n - n // 2) for n in missing)
        return self.conv(F.pad(x, (*width, *height)))


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def flat(features: torch.Tensor) -> torch.Tensor:
    return features.permute(0, 2, 3, 1).flatten(1)  # Keras flattens in this order.
