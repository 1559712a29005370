"""Phone sets: which symbols each has, how they map to one another, and how each sound is made.

Only tables and look-ups: knows no files, no sound and no models.
"""

from otoscope.corpus.phones.articulation import Articulation, articulation, by_class, phone_classes
from otoscope.corpus.phones.maps import convert_spans, to_phones
from otoscope.corpus.phones.sets import PHONE_SETS, detect_phone_set, inventory, is_pause, is_pause_among_words

__all__ = [
    "PHONE_SETS",
    "Articulation",
    "articulation",
    "by_class",
    "convert_spans",
    "detect_phone_set",
    "inventory",
    "is_pause",
    "is_pause_among_words",
    "phone_classes",
    "to_phones",
]
