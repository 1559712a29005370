"""The outputs of whisper-tiny that the study prints, for comparison.

Source:
    "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
"""

from __future__ import annotations

WINDOWS: dict[int | None, str] = {
    None: "hot ones. The show where celebrities answer hot questions while feeding even hotter wings.",
    100: (
        "Hot ones. The show where celebrities answer hot questions, what feeding, eating hot wings. "
        "I am Shana Evans. I'm Join Today."
    ),
    75: (
        "The show with celebrities and their hot questions, what feeding, eating hot wings. "
        "Hi, I'm Shannon, and I'm joined today."
    ),
    50: "The show where celebrities enter hot questions, what leading, what leading, what are we.",
    20: "I'm joined today.",
    10: "",
}
"""Transcripts when an encoder frame may attend to k frames on either side; None without a limit."""

SPLICES: dict[tuple[int, int], str] = {
    (0, 50): "The show where celebrities answer hot questions while feeding even hotter wings.",
    (150, 175): "hot ones. The show where celebrities while feeding even hotter wings.",
}
"""Transcripts with a stretch of the encoder's output, in frames, replaced by that of padding."""

NEXT_TOKENS: dict[str, tuple[str, ...]] = {
    "traffic": (
        *(".", " is", ",", " and", " on", " in", " lights", " police", " at", " control", " to", " jam", " j"),
        *(" light", " traffic", " or", " was", " for", "'s"),
    ),
    "very": (
        *(" much", " well", " good", " important", " soon", " interesting", " very", " close", " excited"),
        *(" happy", " difficult", " nice", " beautiful", " cool", " easy", " simple", " great"),
    ),
    "Good": (
        *(" bye", " luck", " evening", "!", " morning", "bye", " night", " news", " afternoon", " You", "-"),
        *(" for", " Good", " Morning", ",", " Bye", "s", "night"),
    ),
}
"""Prompts, and the likeliest next tokens with padding for sound, likeliest first. If the figures print a token twice,
one of the two is assumed to begin with a space."""

NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "rug": (
        *("lug", "mug", "rut", "rugby", "tug", "Rug", "dag", "assadors", "arrog", "nood", "rang", "irrig", "rouge"),
        *("dilig", "rugged", "rue", "slog", "Cinc", "пло", "strugg", "velt", "pige", "abrupt", "igrade"),
    ),
    "UK": (
        *("US", "United", "British", "U", "European", "EU", "Un", "UN", "English", "okay", "uk", "USA", "U"),
        *("England", "American", "State", "15", "),", "Okay", "London", "University", "ok", "States", "Q"),
    ),
}
"""Words, and the tokens nearest to them in the decoder's embedding by cosine, nearest first."""

NEURONS: dict[tuple[str, int], str] = {
    ("encoder.blocks.3.mlp.1", 4): "said",
    ("encoder.blocks.3.mlp.1", 9): "way, wait",
    ("encoder.blocks.3.mlp.1", 20): "f",
    ("encoder.blocks.2.mlp.1", 0): "m",
    ("encoder.blocks.2.mlp.1", 1): "sh, ch; below sh, ch, j",
    ("encoder.blocks.2.mlp.1", 3): "c; below c, g",
}
"""Neurons that the study names, and what it heard in their strongest examples."""
