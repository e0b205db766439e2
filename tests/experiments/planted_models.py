"""Small torch models, images and brains whose audit is known: honest ones, and what is planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

N, PX, N_SUBJECTS = 24, 24, 6


def pictures(seed: int = 0, n: int = N) -> np.ndarray:
    """(n, px, px, 3) uint8: bars of 24 places, widths and colours on changing grounds."""
    draw = np.random.default_rng(seed)
    images = np.empty((n, PX, PX, 3))
    y, x = np.mgrid[:PX, :PX]
    for image in images:
        angle, phase = draw.uniform(0, np.pi), draw.uniform(0, 6)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * draw.uniform(0.3, 1.2) + phase)
        disc = (x - draw.uniform(6, 18)) ** 2 + (y - draw.uniform(6, 18)) ** 2 < 30
        image[:] = 0.5 + 0.3 * wave[..., None] * draw.uniform(-1, 1, 3)
        image[disc] = draw.uniform(0, 1, 3)
    return np.rint(images.clip(0, 1) * 255).astype(np.uint8)


def rdm(features: np.ndarray) -> np.ndarray:
    """(n_pairs,) correlation distances."""
    return 1 - np.corrcoef(features.reshape(len(features), -1))[np.triu_indices(len(features), 1)]


def subjects(true: np.ndarray, noise: float = 0.5, seed: int = 1) -> np.ndarray:
    """(n_subjects, n_pairs) of one true RDM and each subject's own noise."""
    draw = np.random.default_rng(seed)
    scale = noise * true.std()
    return np.abs(true + scale * draw.normal(size=(N_SUBJECTS, len(true))) + 3 * scale)


class Net(nn.Module):
    """Two blocks and a head; ``norm`` makes the layer after each convolution.

    before, after: what is planted before the second block, and on the features of the head.
    """

    def __init__(
        self,
        norm: Callable[[int], nn.Module] = lambda n: nn.Identity(),
        *,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[Tensor], Tensor] = lambda x: x,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1, bias=bias)
        self.norm1 = norm(8)
        self.conv2 = nn.Conv2d(8, 16, 3, 2, 1, bias=bias)
        self.norm2 = norm(16)
        self.act2 = nn.ReLU()
        self.head = nn.Linear(16 * 9, 4, bias=bias)
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(F.relu(self.norm1(self.conv1(x))))
        x = F.adaptive_avg_pool2d(self.act2(self.norm2(self.conv2(x))), 3)
        return self.head(self.after(x.flatten(1)))


class Block(nn.Module):
    def __init__(self, n: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(n, n, 3, 1, 1), norm(n), nn.ReLU(), nn.Conv2d(n, n, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class Tokens(nn.Module):
    """A transformer of two blocks on patches; ``batch_first=False`` mixes the images of a batch."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 6, 6)
        self.place = nn.Parameter(0.1 * torch.randn(1, 17, 16))
        self.cls = nn.Parameter(torch.randn(1, 1, 16))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=batch_first)
            for _ in range(2)
        )
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


class Several(Net):
    """Answers a mapping, as many libraries do."""

    def forward(self, x: Tensor) -> dict[str, object]:  # type: ignore[override]
        return {"logits": super().forward(x), "more": (1, None)}


def residual(norm: Callable[[int], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), Block(8, norm), Block(8, norm), nn.AdaptiveAvgPool2d(3),
        nn.Flatten(), nn.Linear(72, 4),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * PX * PX, 24), nn.Tanh(), nn.Dropout(0.5), nn.Linear(24, 24),
        nn.Tanh(), nn.Linear(24, 4),
    )  # fmt: skip


# Of the structure, and with the names, of what torchvision and timm have.


class BasicBlock(nn.Module):
    """torchvision's: two 3 x 3 convolutions with batch norm, and a shortcut."""

    def __init__(self, inputs: int, n: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, n, 3, stride, 1, bias=False), nn.BatchNorm2d(n)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(n, n, 3, 1, 1, bias=False), nn.BatchNorm2d(n)
        shortcut = nn.Conv2d(inputs, n, 1, stride, bias=False), nn.BatchNorm2d(n)
        self.downsample = nn.Sequential(*shortcut) if inputs != n else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(8, 8), BasicBlock(8, 8))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2), BasicBlock(16, 16))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(self.avgpool(self.layer2(self.layer1(x))).flatten(1))


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.qkv, self.proj, self.heads = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim), heads
        self.q_norm, self.k_norm, self.proj_drop = nn.Identity(), nn.Identity(), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(n, tokens, dim)))


class ViTBlock(nn.Module):
    """timm's: layer norm first, layer scale, stochastic depth that is off in evaluation."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim, 2)
        self.ls1 = nn.Parameter(torch.ones(dim))
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        out = self.ls1 * self.attn(self.norm1(x))
        if self.training:
            out = out * (torch.rand(len(x), 1, 1) > 0.1)
        x = x + out
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.patch_embed = nn.Sequential(nn.Conv2d(3, dim, 6, 6), nn.Flatten(2))
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 17, dim))
        self.pos_drop = nn.Dropout(0.0)
        self.blocks = nn.Sequential(*(ViTBlock(dim) for _ in range(3)))
        self.norm, self.fc_norm, self.head = nn.LayerNorm(dim), nn.Identity(), nn.Linear(dim, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.fc_norm(self.norm(self.blocks(self.pos_drop(x)))[:, 0]))


class LayerNorm2d(nn.LayerNorm):
    """Of the channels of maps, in place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv_dw, self.norm = nn.Conv2d(dim, dim, 7, 1, 3, groups=dim), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        out = self.gamma * self.mlp(self.norm(self.conv_dw(x).permute(0, 2, 3, 1)))
        return x + out.permute(0, 3, 1, 2)


class ConvNeXtStage(nn.Module):
    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        steps = LayerNorm2d(inputs), nn.Conv2d(inputs, dim, 2, 2)
        self.downsample = nn.Sequential(*steps) if inputs != dim else nn.Identity()
        self.blocks = nn.Sequential(ConvNeXtBlock(dim), ConvNeXtBlock(dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 2, 2), LayerNorm2d(8))
        self.stages = nn.Sequential(ConvNeXtStage(8, 8), ConvNeXtStage(8, 16))
        self.pool, self.norm, self.head = nn.AdaptiveAvgPool2d(2), LayerNorm2d(16), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.pool(self.stages(self.stem(x)))).flatten(1))


#: Name -> a builder: with and without statistics, maps and tokens.
HONEST: dict[str, Callable[[], nn.Module]] = {
    "plain convolutions": Net,
    "batch norm": lambda: Net(nn.BatchNorm2d),
    "group norm": lambda: Net(lambda n: nn.GroupNorm(2, n)),
    "layer norm": lambda: Net(lambda n: nn.GroupNorm(1, n)),
    "instance norm": lambda: Net(nn.InstanceNorm2d),
    "residual, batch norm": lambda: residual(nn.BatchNorm2d),
    "residual, no norm": lambda: residual(lambda n: nn.Identity()),
    "transformer": Tokens,
    "perceptron with dropout": mlp,
    "ResNet with basic blocks": ResNet,
    "ViT": ViT,
    "ConvNeXt": ConvNeXt,
    "answers a mapping": lambda: Several(lambda n: nn.GroupNorm(4, n)),
}


@torch.no_grad()
def trained(build: Callable[[], nn.Module], seed: int = 3) -> nn.Module:
    """A model whose weights are far from a fresh draw, with statistics of the pictures.

    Its first weights are few colours and directions, as learned ones are: no fresh draw has them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                scale = parameter.std() * 2
                parameter.copy_(scale * torch.randn_like(parameter).sign())
                rest = parameter.flatten(1)
                rest[:, torch.rand(rest.shape[1]) < 0.7] = 0
        model.train()
        x = shown(pictures())
        for _ in range(60):
            model(x)
    return model.eval()


def shown(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def brain_of(model: nn.Module, images: np.ndarray, noise: float = 0.4) -> dict[str, np.ndarray]:
    """A brain that has the geometry of what feeds the model's head."""
    seen: list[Tensor] = []
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    handle = head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(shown(images))
    handle.remove()
    return {"V": subjects(rdm(seen[0].flatten(1).numpy()), noise)}


# What is planted: modules that keep, drop or move what they should not.


class Counting(nn.Module):
    """Counts its calls in a buffer, a number, a list or a tensor that is not registered."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.n, self.seen, self.loose, self.where = 0, [], torch.zeros(1), where

    def forward(self, x):
        if self.where == "buffer":
            self.calls += 1
        elif self.where == "number":
            self.n += 1
        elif self.where == "list":
            self.seen.append(len(x))
        else:
            self.loose = self.loose + 1
        return x


class Memory(nn.Module):
    """Adds what it saw last time."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x):
        out = x + self.last
        self.last = x.mean().reshape(1)
        return out


class AlwaysDrops(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


class Adapts(nn.BatchNorm2d):
    """Moves its running mean in evaluation mode."""

    def forward(self, x):
        out = super().forward(x)
        if not self.training:
            self.running_mean.mul_(0.9).add_(0.1 * x.mean((0, 2, 3)))
        return out


class WithModule(nn.Module):
    """A network behind or in front of another module."""

    def __init__(self, first: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.first, self.model = first, model

    def forward(self, x):
        return self.model(self.first(x))
