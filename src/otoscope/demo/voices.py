"""The voices of the demo speech: which are heard in training and which never are.

A voice is an accent (an eSpeak voice file) spoken with a variant (pitch, formants, breath). Held-out variants are never
spoken in training in any accent; held-out accents are never spoken in training with any variant.
"""

from __future__ import annotations

import random

TRAINING_ACCENTS: dict[str, float] = {
    "gmw/en-US": 0.54,
    "gmw/en-US-nyc": 0.12,
    "gmw/en": 0.12,
    "gmw/en-GB-x-rp": 0.12,
    "gmw/en-GB-scotland": 0.05,
    "gmw/en-GB-x-gbcwmd": 0.05,
}
"""eSpeak voice file -> how often it is chosen."""

HELD_OUT_ACCENTS: tuple[str, ...] = ("gmw/en-029", "gmw/en-GB-x-gbclan")
"""Caribbean and Lancaster English."""

_TRAINING_VARIANTS = """
    m1 m2 m3 m4 m6 m7 m8 f1 f2 f3 f5 klatt klatt2 klatt3 klatt5 klatt6 adam Alex Alicia Andrea Andy AnxiousAndy
    anikaRobot aunty announcer antonio belinda benjamin boris caleb Denis Diogo ed edward2 Gene Gene2 grandma grandpa
    gustave Henrique Hugo iven iven2 iven3 Jacky john kaukovalta Lee linda Marco Mario marcelo max miguel mike2 norbert
    Nguyen pablo paul pedro quincy Reed RicishayMax RicishayMax2 RicishayMax3 rob robert sandro shelby steph2 steph3
    travis Tweaky victor zac
"""
TRAINING_VARIANTS: tuple[str, ...] = tuple(_TRAINING_VARIANTS.split())
"""eSpeak variants heard in training; whispers, croaks and the most mechanical robots are left out altogether."""

HELD_OUT_VARIANTS: tuple[str, ...] = (
    "f4",
    "m5",
    "klatt4",
    "anika",
    "Annie",
    "edward",
    "david",
    "ian",
    "Michael",
    "steph",
)
"""eSpeak variants never heard in training: six men, four women."""


def training_voice(rng: random.Random) -> str:
    """Draw a voice heard in training."""
    accent = rng.choices(list(TRAINING_ACCENTS), list(TRAINING_ACCENTS.values()))[0]
    return f"{accent}+{rng.choice(TRAINING_VARIANTS)}"


def american_voice(rng: random.Random) -> str:
    """Draw one of the American voices heard in training."""
    return f"gmw/en-US+{rng.choice(TRAINING_VARIANTS)}"


def unheard_voice(rng: random.Random) -> str:
    """Draw a voice never heard in training, in an accent that was."""
    accent = rng.choices(list(TRAINING_ACCENTS), list(TRAINING_ACCENTS.values()))[0]
    return f"{accent}+{rng.choice(HELD_OUT_VARIANTS)}"


def foreign_voice(rng: random.Random) -> str:
    """Draw a voice and an accent that were never heard in training."""
    return f"{rng.choice(HELD_OUT_ACCENTS)}+{rng.choice(HELD_OUT_VARIANTS)}"
