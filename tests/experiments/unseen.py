"""Artefacts that the audit was not written against: planted after it stood, then mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from planted_models import N, Net, brain_of, pictures, subjects, trained
from torch import Tensor, nn
from torch.nn import functional as F


def group_norm(n: int) -> nn.Module:
    return nn.GroupNorm(2, n)


def net(norm: Callable[[int], nn.Module] = group_norm, **planting: Any) -> nn.Module:
    return trained(lambda: Net(norm, **planting))


class ManyTogether(nn.Module):
    """Answers otherwise once more than 16 images come together, as some fast paths do."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(3, -1) if len(x) > 16 else x


class SeedsItself(nn.Module):
    """Dropout that is the same each time, since it seeds the global generator first."""

    def forward(self, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return F.dropout(x, 0.5)


class InBuffers(nn.Module):
    """Learned weights that are no parameters: no random twin loses them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for i, layer in enumerate((model.conv1, model.conv2)):
            self.register_buffer(f"weight{i}", layer.weight.detach().clone())
        self.act, self.head = nn.ReLU(), nn.Linear(16 * 9, 4)
        self.first = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(F.relu(F.conv2d(x, self.weight0, None, 2, 1)))
        x = self.act(F.conv2d(x, self.weight1, None, 2, 1))
        return self.head(F.adaptive_avg_pool2d(x, 3).flatten(1))


class InAList(nn.Module):
    """A trained backbone that is not registered, under a head that is."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.hidden = [backbone]
        self.look, self.head = nn.Identity(), nn.Linear(8 * 12 * 12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.look(F.relu(self.hidden[0](x))).flatten(1))


class Returns(nn.Conv2d):
    """Its reset loads what was learned."""

    def remember(self) -> None:
        self.learned = self.weight.detach().clone()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if hasattr(self, "learned"):
            with torch.no_grad():
                self.weight.copy_(self.learned * 1.0001)


def returning() -> nn.Module:
    model = net()
    for name in ("conv1", "conv2"):
        old = getattr(model, name)
        new = Returns(old.in_channels, old.out_channels, 3, 2, 1)
        new.load_state_dict(old.state_dict())
        new.remember()
        setattr(model, name, new)
    return model


class OneValue(nn.Module):
    """All units of an image say the same."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3), keepdim=True).expand_as(x).contiguous()


class LateInfinity(nn.Module):
    """One image in all has infinite activity: the last."""

    def forward(self, x: Tensor) -> Tensor:
        last = torch.from_numpy(pictures()[-1]).permute(2, 0, 1).float() / 255
        found = (x - last).abs().amax((1, 2, 3)) < 1e-6
        return torch.where(found[:, None, None, None], torch.inf, x)


def near_copy() -> np.ndarray:
    images = pictures()
    images[7] = images[3]
    images[7, 4, 4] ^= 8
    return images


def swapped() -> list[int]:
    order = list(range(N))
    order[2], order[17] = 17, 2
    return order


def own_rdm(model: nn.Module) -> np.ndarray:
    """The model's own RDM six times, each with a trace of noise."""
    return subjects(brain_of(model, pictures(), 0.0)["V"][0], 1e-3)


def nearly_one_subject(rows: np.ndarray) -> np.ndarray:
    draw = np.random.default_rng(0)
    same = rows[0] * (1 + 1e-4 * draw.normal(size=(4, rows.shape[1])))
    return np.concatenate([rows[:2], same])
