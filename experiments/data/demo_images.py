"""The demo's images: one coloured, textured object in front of a cluttered ground.

A class is a shape with a texture. Each texture occurs in one rounded and one angular class,
so neither texture nor colour tells the classes apart, and the two kinds are a coarse
category above the ten. Everything else (colours, place, size, orientation, light, ground)
varies at random. `draw_scenes` makes the random choices; `render` paints them at any size
in px, so the same scene exists at 32 px and at 224 px.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from neurosim.experiments.data.demo_shapes import SHAPES, TEXTURES

ROUNDED, ANGULAR = "rounded", "angular"


@dataclass(frozen=True)
class ObjectClass:
    """A class of objects: its texture, its shape and its kind."""

    texture: str
    shape: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.texture} {self.shape}"


CLASSES: tuple[ObjectClass, ...] = (
    ObjectClass("dotted", "disc", ROUNDED),
    ObjectClass("ringed", "flower", ROUNDED),
    ObjectClass("striped", "leaf", ROUNDED),
    ObjectClass("checked", "drop", ROUNDED),
    ObjectClass("plain", "heart", ROUNDED),
    ObjectClass("striped", "square", ANGULAR),
    ObjectClass("plain", "frame", ANGULAR),
    ObjectClass("dotted", "triangle", ANGULAR),
    ObjectClass("ringed", "cross", ANGULAR),
    ObjectClass("checked", "star", ANGULAR),
)
CLASS_NAMES = tuple(c.name for c in CLASSES)

N_GRATINGS = 3  # of a ground
N_BLOBS = 5  # of clutter on it


@dataclass(frozen=True, eq=False)
class Scenes:
    """The random choices behind n images; lengths are in image widths, angles in radians."""

    label: np.ndarray  # (n,) index into CLASSES
    centre: np.ndarray  # (n, 2)
    radius: np.ndarray  # (n,)
    angle: np.ndarray  # (n,) of the shape
    texture_angle: np.ndarray  # (n,) of the texture against the shape
    texture_scale: np.ndarray  # (n,)
    texture_contrast: np.ndarray  # (n,) 0 to 1
    colours: np.ndarray  # (n, 2, 3) RGB of the object, 0 to 1
    ground: np.ndarray  # (n, 2, 3) RGB at the two ends of the ground's gradient
    ground_angle: np.ndarray  # (n,)
    grating: np.ndarray  # (n, N_GRATINGS, 4): cycles along x and y, phase, contrast
    blob: np.ndarray  # (n, N_BLOBS, 4): x, y, radius, opacity
    blob_colour: np.ndarray  # (n, N_BLOBS, 3)

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: slice) -> Scenes:
        return Scenes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class Difficulty:
    """How far the objects stray and how loud the ground is."""

    shift: float  # of the centre from the middle, image widths
    radius: tuple[float, float]
    turn: float  # of the shape, radians to either side
    clutter: float  # opacity of the clutter, 0 to 1
    grating: float  # contrast of the ground's gratings


TRAINING = Difficulty(shift=0.07, radius=(0.30, 0.40), turn=0.40, clutter=0.5, grating=0.07)
STIMULI = Difficulty(shift=0.06, radius=(0.34, 0.42), turn=0.30, clutter=0.35, grating=0.05)


def draw_scenes(labels: np.ndarray, difficulty: Difficulty, rng: np.random.Generator) -> Scenes:
    """Random scenes with objects of the given classes, labels (n,)."""
    n = len(labels)
    hue = rng.uniform(0, 1, n)
    other_hue = hue + rng.choice([-1, 1], n) * rng.uniform(0.08, 0.45, n)
    dark_first = rng.random(n) < 0.3
    bright = _hsv(hue, rng.uniform(0.55, 0.85, n), rng.uniform(0.80, 1.0, n))
    second = _hsv(other_hue, rng.uniform(0.40, 0.8, n), rng.uniform(0.25, 0.6, n))
    colours = np.stack([bright, second], axis=1)
    colours[dark_first] = colours[dark_first, ::-1]

    ground_hue = rng.uniform(0, 1, n)
    ends = [
        _hsv(ground_hue + rng.normal(0, 0.08, n), rng.uniform(0.05, 0.25, n), value)
        for value in (rng.uniform(0.35, 0.7, n), rng.uniform(0.6, 0.95, n))
    ]
    cycles, direction = rng.uniform(1, 9, (n, N_GRATINGS)), rng.uniform(0, np.pi, (n, N_GRATINGS))
    grating = [
        cycles * np.cos(direction),
        cycles * np.sin(direction),
        rng.uniform(0, 2 * np.pi, (n, N_GRATINGS)),
        difficulty.grating * rng.uniform(0.2, 1, (n, N_GRATINGS)),
    ]
    blob = [
        rng.uniform(0, 1, (n, N_BLOBS)),
        rng.uniform(0, 1, (n, N_BLOBS)),
        rng.uniform(0.03, 0.12, (n, N_BLOBS)),
        difficulty.clutter * rng.uniform(0.3, 1, (n, N_BLOBS)),
    ]
    blob_hue = rng.uniform(0, 1, (n, N_BLOBS))
    return Scenes(
        label=labels,
        centre=0.5 + difficulty.shift * rng.uniform(-1, 1, (n, 2)),
        radius=rng.uniform(*difficulty.radius, n),
        angle=difficulty.turn * rng.uniform(-1, 1, n),
        texture_angle=rng.uniform(-0.8, 0.8, n),
        texture_scale=rng.uniform(0.85, 1.2, n),
        texture_contrast=rng.uniform(0.55, 1, n),
        colours=colours,
        ground=np.stack(ends, axis=1),
        ground_angle=rng.uniform(0, 2 * np.pi, n),
        grating=np.stack(grating, axis=-1),
        blob=np.stack(blob, axis=-1),
        blob_colour=_hsv(
            blob_hue, rng.uniform(0.2, 0.7, blob_hue.shape), rng.uniform(0.3, 0.95, blob_hue.shape)
        ),
    )


def render(scenes: Scenes, px: int) -> np.ndarray:
    """Paint scenes as (n, px, px, 3) uint8; outlines are soft over one pixel."""
    if px < 8:
        raise ValueError(f"px is {px}; a demo image needs at least 8 px to show its object.")
    step = max(1, 2**18 // px**2)  # few enough images at once that they stay in the cache
    images = np.empty((len(scenes), px, px, 3), np.uint8)
    for start in range(0, len(scenes), step):
        part = slice(start, start + step)
        images[part] = _paint(scenes[part], px)
    return images


def _paint(scenes: Scenes, px: int) -> np.ndarray:
    axis = (np.arange(px, dtype=np.float32) + 0.5) / px
    x, y = axis[None, None, :], axis[None, :, None]
    cover, light, mix = np.zeros((3, len(scenes), px, px), np.float32)
    for label in np.unique(scenes.label):
        rows = np.flatnonzero(scenes.label == label)
        u, v = _object_coordinates(scenes, rows, x, y)
        outline = SHAPES[CLASSES[label].shape](u, v)
        cover[rows] = np.clip(0.5 - outline * _per_image(scenes.radius[rows]) * px, 0, 1)
        # from the upper left, and darker towards the rim
        light[rows] = 1 - 0.16 * (u + v) - 0.35 * np.exp(9 * np.minimum(outline, 0))
        cos, sin = _cos_sin(scenes.texture_angle[rows])
        scale = _per_image(scenes.texture_scale[rows])
        texture = TEXTURES[CLASSES[label].texture]
        share = texture((u * cos + v * sin) * scale, (v * cos - u * sin) * scale)
        mix[rows] = share * _per_image(scenes.texture_contrast[rows])

    canvas = _ground(scenes, x, y)
    canvas *= (1 - 0.45 * _shadow(cover, offset=max(1, px // 32)))[:, None]
    first, second = (_planes(scenes.colours[:, i]) for i in (0, 1))
    body = (first + (second - first) * mix[:, None]) * light[:, None]
    canvas += (body - canvas) * cover[:, None]
    return np.rint(np.clip(canvas, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def _ground(scenes: Scenes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, 3, px, px): a gradient of two colours, gratings, and blobs of clutter."""
    cos, sin = _cos_sin(scenes.ground_angle)
    position = np.clip(0.5 + 0.7 * ((x - 0.5) * cos + (y - 0.5) * sin), 0, 1)
    near, far = (_planes(scenes.ground[:, i]) for i in (0, 1))
    relief = np.ones((len(scenes), y.size, x.size), np.float32)
    for i in range(N_GRATINGS):
        along_x, along_y, phase, contrast = (_per_image(g) for g in scenes.grating[:, i].T)
        relief += contrast * np.sin(2 * np.pi * (x * along_x + y * along_y) + phase)
    canvas = (near + (far - near) * position[:, None]) * relief[:, None]
    for i in range(N_BLOBS):
        at_x, at_y, radius, opacity = (_per_image(b) for b in scenes.blob[:, i].T)
        inside = opacity * np.clip(6 * (1 - np.hypot(x - at_x, y - at_y) / radius), 0, 1)
        canvas += (_planes(scenes.blob_colour[:, i]) - canvas) * inside[:, None]
    return canvas


def _object_coordinates(
    scenes: Scenes, rows: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = _cos_sin(scenes.angle[rows])
    radius = _per_image(scenes.radius[rows])
    dx = (x - _per_image(scenes.centre[rows, 0])) / radius
    dy = (y - _per_image(scenes.centre[rows, 1])) / radius
    return dx * cos + dy * sin, dy * cos - dx * sin


def _shadow(cover: np.ndarray, offset: int) -> np.ndarray:
    """The object's silhouette moved down and to the right by `offset` px."""
    shadow = np.zeros_like(cover)
    shadow[:, offset:, offset:] = cover[:, :-offset, :-offset]
    return shadow


def _cos_sin(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _per_image(np.cos(angle)), _per_image(np.sin(angle))


def _per_image(values: np.ndarray) -> np.ndarray:
    return values[:, None, None].astype(np.float32)


def _planes(colour: np.ndarray) -> np.ndarray:
    """Colours (n, 3) as (n, 3, 1, 1): inside, channels come first, which is twice as fast."""
    return colour[:, :, None, None].astype(np.float32)


def _hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """RGB (..., 3) of hue (any real, period 1), saturation and value in 0 to 1."""
    k = (np.array([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    dip = np.clip(np.minimum(k, 4 - k), 0, 1)
    return value[..., None] * (1 - saturation[..., None] * dip)
