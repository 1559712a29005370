# Written from the code by `make reference`; do not change it by hand.
from otoscope.audio.clip import Clip as Clip
from otoscope.audio.clip import Span as Span
from otoscope.audio.clip import as_clip as as_clip
from otoscope.audio.clip import read_clip as read_clip
from otoscope.audio.nonspeech import nonspeech as nonspeech
from otoscope.base.errors import (
    AudioError as AudioError,
)
from otoscope.base.errors import (
    InputError as InputError,
)
from otoscope.base.errors import (
    ModelError as ModelError,
)
from otoscope.base.errors import (
    OtoscopeError as OtoscopeError,
)
from otoscope.base.errors import (
    OutputError as OutputError,
)
from otoscope.base.errors import (
    SiteError as SiteError,
)
from otoscope.corpus import Corpus as Corpus
from otoscope.corpus import open_corpus as open_corpus
from otoscope.harvest.opened import HarvestRun as HarvestRun
from otoscope.harvest.opened import open_run as open_run
from otoscope.harvest.run import run_harvest as run_harvest
from otoscope.harvest.settings import HarvestSettings as HarvestSettings
from otoscope.model.load import load as load
from otoscope.model.transcription import Transcription as Transcription
from otoscope.model.whisper import Whisper as Whisper
from otoscope.study.alignment.word_times import align_words as align_words
from otoscope.study.bigrams.agreement import BigramAgreement as BigramAgreement
from otoscope.study.bigrams.agreement import bigram_agreement as bigram_agreement
from otoscope.study.bigrams.experiment import Bigrams as Bigrams
from otoscope.study.bigrams.experiment import bigrams as bigrams
from otoscope.study.bigrams.known import (
    KnownBigrams as KnownBigrams,
)
from otoscope.study.bigrams.known import (
    bigrams_of_text as bigrams_of_text,
)
from otoscope.study.bigrams.known import (
    bigrams_of_words as bigrams_of_words,
)
from otoscope.study.direction import Direction as Direction
from otoscope.study.dream.experiment import dream as dream
from otoscope.study.dream.result import Dream as Dream
from otoscope.study.examples.experiment import Examples as Examples
from otoscope.study.examples.experiment import examples as examples
from otoscope.study.lens.curve import LensCurve as LensCurve
from otoscope.study.lens.curve import lens_curve as lens_curve
from otoscope.study.lens.encoder import EncoderLens as EncoderLens
from otoscope.study.lens.encoder import encoder_lens as encoder_lens
from otoscope.study.lens.experiment import Lens as Lens
from otoscope.study.lens.experiment import lens as lens
from otoscope.study.lens.heads import HeadLens as HeadLens
from otoscope.study.lens.heads import head_lens as head_lens
from otoscope.study.lens.heads_mean import HeadLensMean as HeadLensMean
from otoscope.study.lens.heads_mean import head_lens_mean as head_lens_mean
from otoscope.study.lens.languages import LanguageLens as LanguageLens
from otoscope.study.lens.languages import language_lens as language_lens
from otoscope.study.listening.experiment import Listening as Listening
from otoscope.study.listening.experiment import listen as listen
from otoscope.study.locality.experiment import Locality as Locality
from otoscope.study.locality.experiment import locality as locality
from otoscope.study.neighbours.experiment import Neighbours as Neighbours
from otoscope.study.neighbours.experiment import neighbours as neighbours
from otoscope.study.neighbours.sounds_alike import SoundsAlike as SoundsAlike
from otoscope.study.neighbours.sounds_alike import sounds_alike as sounds_alike
from otoscope.study.phones.experiment import PhoneSettings as PhoneSettings
from otoscope.study.phones.experiment import PhoneStudy as PhoneStudy
from otoscope.study.phones.experiment import phones as phones
from otoscope.study.probe.experiment import probe as probe
from otoscope.study.probe.experiment import probe_saved as probe_saved
from otoscope.study.probe.result import Probe as Probe
from otoscope.study.relevance.experiment import Relevance as Relevance
from otoscope.study.relevance.experiment import relevance as relevance
from otoscope.study.segments.experiment import segments as segments
from otoscope.study.segments.pushed import PushedUp as PushedUp
from otoscope.study.segments.pushed import pushed_up as pushed_up
from otoscope.study.segments.result import Segments as Segments
from otoscope.study.splice.experiment import Splice as Splice
from otoscope.study.splice.experiment import splice as splice
from otoscope.study.splice.words import SpliceWords as SpliceWords
from otoscope.study.splice.words import splice_words as splice_words
from otoscope.study.steer.class_means import ClassMeans as ClassMeans
from otoscope.study.steer.class_means import class_means as class_means
from otoscope.study.steer.experiment import Steer as Steer
from otoscope.study.steer.experiment import steer as steer
from otoscope.study.steer.head_ablation import HeadAblation as HeadAblation
from otoscope.study.steer.head_ablation import ablate_heads as ablate_heads
from otoscope.study.steer.phones import PhoneSwaps as PhoneSwaps
from otoscope.study.steer.phones import steer_phones as steer_phones
from otoscope.study.steer.sounds import SteerSounds as SteerSounds
from otoscope.study.steer.sounds import steer_sounds as steer_sounds
from otoscope.study.whole.experiment import Study as Study
from otoscope.study.whole.experiment import run_study as run_study
from otoscope.study.whole.settings import StudySettings as StudySettings
from otoscope.study.window.experiment import WindowStudy as WindowStudy
from otoscope.study.window.experiment import window as window
from otoscope.study.words.experiment import WordSources as WordSources
from otoscope.study.words.experiment import words as words
from otoscope.study.words.scores import WordScores as WordScores
from otoscope.study.words.scores import word_sources as word_sources

__all__: list[str]
__version__: str
