"""Drawing of phantoms: chests from random numbers, healthy or with opacities.

Coordinates x and y run from -1 (left, top) to 1 (right, bottom), so that the same chest is drawn at
every size. The patient faces the viewer, as usual for radiographs: the heart is on the right.
Shapes are added to or subtracted from a map of the tissue along the beam, which the exposure turns
into grey values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pneumoscope.dataset.manifest import Label

Plane = NDArray[np.float64]
"""Values of all pixels, float64, shape (size, size)."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Anatomy of a patient's chest, the same in all images of the patient.

    Parameters
    ----------
    lung_width, lung_top, lung_base
        Extent of the lungs to the sides, upwards, and down to the diaphragm.
    dome
        Height of the domes of the diaphragm.
    heart_x, heart_width, heart_height
        Centre and half axes of the heart.
    mediastinum
        Half width of the mediastinum.
    body_width
        Half width of the trunk.
    arms
        Angle of the upper arms below the horizontal, in radians; negative if lifted.
    rib_spacing, rib_slope, rib_phase, rib_strength
        Distance of the ribs, slope towards the side, height of the first, and contrast.
    vessels
        Contrast of the vessels around the hila.
    breast
        Contrast of the shadow of the breasts; zero in most patients.
    bubble
        Contrast of the air in the stomach.
    """

    lung_width: float
    lung_top: float
    lung_base: float
    dome: float
    heart_x: float
    heart_width: float
    heart_height: float
    mediastinum: float
    body_width: float
    arms: float
    rib_spacing: float
    rib_slope: float
    rib_phase: float
    rib_strength: float
    vessels: float
    breast: float
    bubble: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Anatomy":
        """Draw the anatomy of a patient at random."""
        lung_width = rng.uniform(0.58, 0.72)
        return cls(
            lung_width=lung_width,
            lung_top=rng.uniform(-0.86, -0.74),
            lung_base=rng.uniform(0.48, 0.68),
            dome=rng.uniform(0.12, 0.24),
            heart_x=rng.uniform(0.06, 0.14),
            heart_width=rng.uniform(0.24, 0.34),
            heart_height=rng.uniform(0.34, 0.46),
            mediastinum=rng.uniform(0.12, 0.19),
            body_width=lung_width + rng.uniform(0.08, 0.2),
            arms=rng.uniform(-0.9, 1.3),
            rib_spacing=rng.uniform(0.15, 0.195),
            rib_slope=rng.uniform(0.25, 0.45),
            rib_phase=rng.uniform(0, 1),
            rib_strength=rng.uniform(0.05, 0.11),
            vessels=rng.uniform(0.03, 0.1),
            breast=rng.uniform(0.05, 0.12) if rng.random() < 0.3 else 0.0,
            bubble=rng.uniform(0.1, 0.3) if rng.random() < 0.6 else 0.0,
        )


def draw_phantom(
    anatomy: Anatomy, label: Label, subtype: str | None, size: int, rng: np.random.Generator
) -> Image.Image:
    """Draw one radiograph of a patient.

    Parameters
    ----------
    anatomy
        Anatomy of the patient.
    label
        Class of the image; NORMAL has no opacity.
    subtype
        Subtype of PNEUMONIA: ``"bacteria"`` draws a lobar consolidation, ``"virus"`` a patchy,
        interstitial pattern in both lungs.
    size
        Side of the square image in pixels.
    rng
        Source of randomness for position, breath, opacities, exposure and noise.

    Returns
    -------
    Image.Image
        8-bit grey image, with the word SYNTHETIC in the lower left corner.
    """
    x, y = _coordinates(size, rng)
    turn = rng.normal(0, 0.035)
    lungs = _lungs(anatomy, x, y, turn, breath=rng.uniform(-0.07, 0.04))
    tissue = _trunk(anatomy, x, y) + _mediastinum(anatomy, x + turn, y)
    air = lungs * (1 - 0.82 * _heart(anatomy, x + turn, y)) * rng.uniform(0.45, 0.58)
    if label is Label.PNEUMONIA:
        air *= 1 - _opacity(x, y, lungs, subtype, rng)
    air *= 1 - _vessels(anatomy, x, y, rng)
    tissue += _bones(anatomy, x, y, turn) + _soft_shadows(anatomy, x, y) - air
    grey = _expose(tissue, x, y, rng)
    return _add_markers(grey, rng)


def _coordinates(size: int, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return x and y of each pixel, for a patient who is tilted, shifted and scaled at random."""
    axis = (np.arange(size, dtype=np.float64) + 0.5) * (2 / size) - 1
    tilt = rng.normal(0, 0.03)
    scale = rng.uniform(0.88, 1.08, 2)
    shift = rng.normal(0, 0.04, 2)
    x = (axis[None, :] + tilt * axis[:, None] - shift[0]) * scale[0]
    y = (axis[:, None] - tilt * axis[None, :] - shift[1]) * scale[1]
    return x, y


def _edge(distance: Plane, softness: float) -> Plane:
    """Rise smoothly from 0 to 1 where ``distance`` goes from ``-softness`` to ``softness``."""
    t = np.clip(distance * (0.5 / softness) + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _bump(distance: Plane, width: float) -> Plane:
    return np.exp(-np.square(distance * (1 / width)))


def _ellipse(x: Plane, y: Plane, half_width: float, half_height: float) -> Plane:
    """Return the squared radius of each point: 1 on the ellipse, less inside."""
    return np.square(x * (1 / half_width)) + np.square(y * (1 / half_height))


def _clouds(size: int, cells: int, rng: np.random.Generator) -> Plane:
    """Return smooth noise with about ``cells`` blobs per side, mean 0, deviation about 0.7."""
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float64)


def _trunk(anatomy: Anatomy, x: Plane, y: Plane) -> Plane:
    across = np.abs(x)
    shape = (
        (-1.0, -0.92, -0.84, -0.76, -0.66, -0.4, 0.2, 1),
        (0.4, 0.43, 0.6, 0.9, 1, 1, 0.97, 1.05),
    )
    width = np.interp(y, *shape) * anatomy.body_width
    trunk = np.clip(1 - np.square(across / width), 0, 1) ** 0.3
    # A round upper arm, from the shoulder on.
    outwards, down = across - (anatomy.body_width - 0.12), y + 0.6
    along = outwards * np.cos(anatomy.arms) + down * np.sin(anatomy.arms)
    beside = down * np.cos(anatomy.arms) - outwards * np.sin(anatomy.arms)
    round_arm = np.sqrt(np.clip(1 - np.square(beside * (1 / 0.17)), 0, 1))
    bone = 0.25 * _bump(beside, 0.045)
    arm = (0.6 * round_arm + bone) * _edge(along, 0.12)
    head = _edge(1 - _ellipse(x, y + 1.22, 0.4, 0.36), 0.2)
    thickness: Plane = np.maximum(trunk, arm)
    return 0.62 * thickness + 0.2 * head


def _lungs(anatomy: Anatomy, x: Plane, y: Plane, turn: float, breath: float) -> Plane:
    """Return the share of lung at each pixel, 0 to 1; a turned patient's lungs differ in width."""
    across = np.abs(x)
    right = x < 0
    width = np.where(right, 1 - turn, 1 + turn) * anatomy.lung_width
    base = np.where(right, -0.04, 0.02) + (anatomy.lung_base + breath)
    height = np.clip((y - anatomy.lung_top) / (base - anatomy.lung_top), 0, 1)
    wall = width * np.sqrt(1 - (1 - height) ** 2.6)
    middle = width * 0.42
    dome = base + anatomy.dome * (np.square((across - middle) / (width - middle)) - 0.5)
    inner = anatomy.mediastinum * 0.8 + 0.03 * y
    return _edge(wall - across, 0.03) * _edge(across - inner, 0.05) * _edge(dome - y, 0.02)


def _heart(anatomy: Anatomy, x: Plane, y: Plane) -> Plane:
    right, down = x - anatomy.heart_x, y - (anatomy.lung_base - 0.32)
    leaning = right - 0.35 * down
    return _edge(1 - _ellipse(leaning, down, anatomy.heart_width, anatomy.heart_height), 0.16)


def _mediastinum(anatomy: Anatomy, x: Plane, y: Plane) -> Plane:
    width = anatomy.mediastinum * (1 + 0.25 * y)
    band = _edge(width - np.abs(x), 0.08) * 0.1
    belly = _edge(y - anatomy.lung_base, 0.25) * 0.12
    windpipe = _bump(x, 0.035) * _edge(-y - 0.35, 0.1) * 0.07
    air = _edge(1 - _ellipse(x - 0.33, y - (anatomy.lung_base + 0.2), 0.17, 0.1), 0.5)
    return band + belly - windpipe - anatomy.bubble * air


def _bones(anatomy: Anatomy, x: Plane, y: Plane, turn: float) -> Plane:
    across = np.abs(x)
    wall = _cage_width(anatomy, y)
    inside = _edge(wall + 0.05 - across, 0.03) * _edge(across - 0.08, 0.05)
    inside *= _edge(anatomy.lung_base + 0.2 - y, 0.2)
    # Where a rib is tangential to the beam, the beam passes more bone.
    rim = 1 + 1.6 * _bump(wall - across, 0.07)
    back = y - anatomy.rib_slope * (2 * np.square(across) - 0.5 * across)
    front = y + 0.6 * across - 0.5 * np.square(across)
    ribs = _rungs(back, anatomy, 0.3) * rim + 0.35 * _rungs(front, anatomy, 0.38)
    column = _bump(x + turn, 0.085)
    vertebrae = 1 + 0.3 * np.cos(y * (2 * np.pi / anatomy.rib_spacing))
    line = y + 0.62 + 0.14 * across - 0.05 * np.sin(across * 9)
    collar = _bump(line, 0.04) * _edge(0.66 - across, 0.06)
    collar *= _edge(across - 0.07, 0.02)
    return anatomy.rib_strength * (ribs * inside + 1.1 * collar) + 0.07 * column * vertebrae


def _cage_width(anatomy: Anatomy, y: Plane) -> Plane:
    height = np.clip((y - anatomy.lung_top) / (anatomy.lung_base - anatomy.lung_top), 0, 1)
    return anatomy.lung_width * np.sqrt(1 - (1 - height) ** 2.6)


def _rungs(height: Plane, anatomy: Anatomy, thickness: float) -> Plane:
    """Return evenly spaced bands, each with the brighter edges of a bone's cortex."""
    step = height * (1 / anatomy.rib_spacing) + anatomy.rib_phase
    offset = np.abs(step - np.rint(step))
    return _edge(thickness - offset, 0.08) + 0.4 * _bump(offset - thickness * 0.85, 0.07)


def _vessels(anatomy: Anatomy, x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Return the share of air displaced by vessels: fine ridges, strongest at the hila."""
    size = len(x)
    ridges = 0.6 - np.abs(_clouds(size, 26, rng))
    hila = _bump(np.abs(x) - 0.2, 0.22) * _bump(y + 0.08, 0.4)
    return anatomy.vessels * (ridges * (0.7 + hila) + 3 * hila)


def _soft_shadows(anatomy: Anatomy, x: Plane, y: Plane) -> Plane:
    if not anatomy.breast:
        return np.zeros_like(x)
    disc = _ellipse(np.abs(x) - 0.42, y - 0.25, 0.34, 0.36)
    return anatomy.breast * _edge(1 - disc, 0.25)


def _opacity(
    x: Plane, y: Plane, lungs: Plane, subtype: str | None, rng: np.random.Generator
) -> Plane:
    """Return the share of the lungs' air that is displaced by opacities, 0 to 0.95."""
    # Some opacities are hardly visible, so that some cases are hard.
    strength = 0.25 + 0.7 * rng.random()
    pattern = _patches(x, y, rng) if subtype == "virus" else _consolidation(x, y, rng)
    return np.clip(strength * pattern, 0, 0.95) * lungs


def _consolidation(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Return a consolidation of one or two lobes, with an irregular border."""
    pattern = np.zeros_like(x)
    for _ in range(1 if rng.random() < 0.7 else 2):
        side = -1 if rng.random() < 0.55 else 1
        centre = side * rng.uniform(0.28, 0.48), rng.uniform(-0.45, 0.45)
        shape = _ellipse(x - centre[0], y - centre[1], *rng.uniform(0.22, 0.42, 2))
        rough = 0.35 * _clouds(len(x), 9, rng)
        pattern = np.maximum(pattern, _edge(1 - shape + rough, 0.6))
    return pattern


def _patches(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Return patches and a net of fine lines in both lungs, densest around the hila."""
    size = len(x)
    clouds = _edge(_clouds(size, 7, rng) + rng.uniform(-0.3, 0.4), 0.9)
    net = 0.6 - np.abs(_clouds(size, 30, rng) + _clouds(size, 55, rng))
    hila = _bump(np.abs(x) - 0.25, 0.35) * _bump(y - 0.05, 0.6)
    return (0.8 * clouds + 0.25 * net) * (0.35 + hila)


def _expose(tissue: Plane, x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Turn tissue into grey values in [0, 1]: exposure, scatter, collimation and noise."""
    uneven = 1 + rng.normal(0, 0.05) * x + rng.normal(0, 0.05) * y
    exposed = np.clip(tissue * uneven, 0, None)
    grey = (exposed * rng.uniform(0.95, 1.25)) ** rng.uniform(0.85, 1.3)
    grey = grey / (1 + 0.25 * grey) + rng.uniform(0, 0.08)
    if rng.random() < 0.25:  # collimator
        grey *= _edge(rng.uniform(0.86, 0.97) - np.abs(x), 0.01)
    size = len(x)
    grain = _clouds(size, max(2, size * 2 // 3), rng)
    return np.clip(grey + rng.uniform(0.004, 0.018) * grain, 0, 1)


def _add_markers(grey: Plane, rng: np.random.Generator) -> Image.Image:
    """Return the image with a side marker and the word SYNTHETIC, in both classes alike."""
    size = len(grey)
    image = Image.fromarray(np.rint(grey * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    position = (size * rng.uniform(0.02, 0.1), size * rng.uniform(0.1, 0.4))
    draw.text(position, "R", fill=230, font=ImageFont.load_default(max(8, size // 20)))
    font = ImageFont.load_default(max(9, size // 18))
    draw.text((3, size - 3), "SYNTHETIC", 255, font, "lb", stroke_width=1, stroke_fill=0)
    return image
