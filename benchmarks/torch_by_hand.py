"""The same network, written by hand in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from network import BLOCKS, EMBEDDING, IMAGE, L2, LEARNING_RATE, Pairs, Weights
from PIL import Image
from torch import nn


class Contender:
    """Contender. `worker.py` explains its methods."""

    def __init__(self, weights: Weights, batch_norm: bool):
        modules: list[nn.Module] = []
        channels = 1
        for index, (filters, kernel) in enumerate(BLOCKS, start=1):
            conv = nn.Conv2d(channels, filters, kernel)
            load(conv, weights[f"conv_{index}/kernel"].transpose(3, 2, 0, 1))
            modules += [conv, nn.ReLU()]
            if batch_norm:
                modules.append(nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))
            if index < len(BLOCKS):
                modules.append(nn.MaxPool2d(2))
            channels = filters
        self.blocks = nn.Sequential(*modules)
        self.embedding = nn.Linear(len(weights["embedding/kernel"]), EMBEDDING)
        load(self.embedding, weights["embedding/kernel"].T)
        self.head = nn.Linear(EMBEDDING, 1)
        load(self.head, weights["head/kernel"].T)
        self.parts = nn.ModuleList([self.blocks, self.embedding, self.head])
        self.kernels = [p for p in self.parts.parameters() if p.ndim > 1]
        self.optimizer = torch.optim.Adam(self.parts.parameters(), LEARNING_RATE, eps=1e-7)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        features = self.blocks(images).permute(0, 2, 3, 1)  # Keras flattens in this order.
        return torch.sigmoid(self.embedding(features.flatten(1)))

    def forward(self, left: np.ndarray, right: np.ndarray) -> torch.Tensor:
        tensors = [torch.from_numpy(np.moveaxis(images, 3, 1)) for images in (left, right)]
        distance = torch.abs(self.embed(tensors[0]) - self.embed(tensors[1]))
        return torch.sigmoid(self.head(distance))[:, 0]

    def total_loss(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> torch.Tensor:
        truth = torch.from_numpy(labels.astype(np.float32))
        loss = nn.functional.binary_cross_entropy(self.forward(left, right), truth)
        return loss + L2 * sum(torch.sum(torch.square(kernel)) for kernel in self.kernels)

    def loss(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> float:
        self.parts.eval()
        with torch.no_grad():
            return float(self.total_loss(left, right, labels))

    def step(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> None:
        self.parts.train()
        self.optimizer.zero_grad()
        self.total_loss(left, right, labels).backward()
        self.optimizer.step()

    def epoch(self, pairs: Pairs) -> None:
        data = Images(pairs)
        for left, right, labels in torch.utils.data.DataLoader(data, 128, shuffle=True):
            self.step(left.numpy(), right.numpy(), labels.numpy())

    def verify(self, pairs: Pairs) -> np.ndarray:
        self.parts.eval()
        scores = []
        with torch.no_grad():
            for start in range(0, len(pairs.indices), 128):
                left, right = (
                    pairs.images[pairs.indices[start : start + 128, side]] / np.float32(255)
                    for side in (0, 1)
                )
                scores.append(self.forward(left, right).numpy())
        return np.concatenate(scores)


class Images(torch.utils.data.Dataset):
    """Data set that decodes both images of a pair on access."""

    def __init__(self, pairs: Pairs):
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        left, right = (self.decode(self.pairs.files[i]) for i in self.pairs.indices[index])
        return left, right, int(self.pairs.labels[index])

    def decode(self, path: str) -> np.ndarray:
        with Image.open(path) as image:
            grey = image.convert("L").resize((IMAGE, IMAGE), Image.Resampling.BILINEAR)
            return np.asarray(grey, np.float32)[..., None] / 255


def load(module: nn.Module, kernel: np.ndarray) -> None:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
        module.bias.zero_()
