"""Words and phones in time, from the files that aligners and phoneticians write; one module for each format.

Knows text and seconds, no sound and no models; of phone sets only which symbols they have.
"""

from otoscope.corpus.alignment.find import AlignmentIndex, find_alignment
from otoscope.corpus.alignment.labels import Alignment
from otoscope.corpus.alignment.read import check_phones, read_alignment
from otoscope.corpus.alignment.textgrid_writing import write_textgrid

__all__ = ["Alignment", "AlignmentIndex", "check_phones", "find_alignment", "read_alignment", "write_textgrid"]
