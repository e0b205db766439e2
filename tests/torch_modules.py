"""Modules of plain torch that are networks: chains, residual blocks, averages."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N_CLASSES, PX = 4, 8


class Block(nn.Module):
    """A basic block as torchvision writes it: the shortcut is computed last and added in place."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride > 1 or n_in != n_out:
            projection = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            shortcut = self.downsample(x)
        out += shortcut
        return self.relu(out)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4), Block(4, 4))
        self.layer2 = Block(4, 6, 2)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(6, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = self.pool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class Functional(nn.Module):
    """Pooling, sums and shapes by functions and methods; one ReLU for all; dense shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(16, 7), nn.Linear(7, 7)
        self.relu, self.head = nn.ReLU(), nn.Linear(7, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.avg_pool2d(self.relu(torch.add(x, self.conv2(x))), 2)
        x = self.fc1(x.view(x.size(0), -1)).tanh()
        return self.head(self.relu(self.fc2(x) + x))


class Means(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.wide = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.norm, self.head = nn.GroupNorm(5, 5), nn.Linear(5, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.silu(self.norm(self.wide(self.conv(x)))).mean((2, 3)))


def chain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6, momentum=0.3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(20, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.0),
        nn.Linear(7, N_CLASSES),
    )  # fmt: skip


def averages() -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(2), nn.Conv2d(3, 4, 3, padding=1), nn.Sigmoid(), nn.AdaptiveAvgPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16, N_CLASSES),
    )  # fmt: skip


MODULES: dict[str, Callable[[], nn.Module]] = {
    "chain": chain,
    "residual": Residual,
    "functional": Functional,
    "averages": averages,
    "means": Means,
}


def made(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A module with weights, gains and statistics of its own, as after some training."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = MODULES[name]().to(dtype)
        for each in module.modules():
            if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(each.weight, 0.5, 1.5)
                nn.init.normal_(each.bias)
                each.running_mean.normal_()
                each.running_var.uniform_(0.5, 2.0)
    return module


def example(dtype: torch.dtype = torch.float64, n: int = 6) -> Tensor:
    draws = torch.Generator().manual_seed(2)
    return torch.randn(n, 3, PX, PX, generator=draws, dtype=dtype)
