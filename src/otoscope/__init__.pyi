# Written from the code by `make reference`; do not change it by hand.
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import Literal
import numpy as np
from torch import Tensor
import torch
from otoscope.audio.clip import Clip as Clip
from otoscope.audio.clip import Span as Span
from otoscope.audio.nonspeech import Nonspeech
from otoscope.base.errors import AudioError as AudioError
from otoscope.base.errors import InputError as InputError
from otoscope.base.errors import ModelError as ModelError
from otoscope.base.errors import OtoscopeError as OtoscopeError
from otoscope.base.errors import OutputError as OutputError
from otoscope.base.errors import SiteError as SiteError
from otoscope.corpus import Corpus as Corpus
from otoscope.corpus.lexicon import Pronouncer
from otoscope.harvest.activity import Reads
from otoscope.harvest.opened import HarvestRun as HarvestRun
from otoscope.harvest.settings import HarvestSettings as HarvestSettings
from otoscope.model.transcription import Transcription as Transcription
from otoscope.model.transcription import Word
from otoscope.model.whisper import Sound
from otoscope.model.whisper import Whisper as Whisper
from otoscope.sae.dictionary import Dictionary as Dictionary
from otoscope.study.bigrams.agreement import BigramAgreement as BigramAgreement
from otoscope.study.bigrams.experiment import Bigrams as Bigrams
from otoscope.study.bigrams.known import KnownBigrams as KnownBigrams
from otoscope.study.bigrams.no_sound import NoSound
from otoscope.study.bigrams.settings import BigramsSettings
from otoscope.study.bigrams.settings import NoSoundSettings
from otoscope.study.bigrams.settings import TextBigramsSettings
from otoscope.study.dictionaries.experiment import Clips
from otoscope.study.dictionaries.experiment import Dictionaries
from otoscope.study.dictionaries.results import DictionaryScores as DictionaryScores
from otoscope.study.dictionaries.settings import ScoreSettings
from otoscope.study.dictionaries.settings import TrainOptions
from otoscope.study.dictionaries.train import DictionaryTraining as DictionaryTraining
from otoscope.study.direction import Direction as Direction
from otoscope.study.dream.real import RealMoments
from otoscope.study.dream.result import Dream as Dream
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.examples.experiment import Examples as Examples
from otoscope.study.examples.settings import ExamplesSettings
from otoscope.study.feature import Feature as Feature
from otoscope.study.lens.curve import LensCurve as LensCurve
from otoscope.study.lens.encoder import EncoderLens as EncoderLens
from otoscope.study.lens.experiment import Lens as Lens
from otoscope.study.lens.heads import HeadLens as HeadLens
from otoscope.study.lens.heads_mean import HeadLensMean as HeadLensMean
from otoscope.study.lens.languages import LanguageLens as LanguageLens
from otoscope.study.lens.settings import LanguageLensSettings
from otoscope.study.lens.settings import LensCurveSettings
from otoscope.study.lens.settings import LensSettings
from otoscope.study.lens.settings import SaidSettings
from otoscope.study.listening.experiment import Listening as Listening
from otoscope.study.locality.experiment import Locality as Locality
from otoscope.study.locality.settings import LocalitySettings
from otoscope.study.neighbours.experiment import Neighbours as Neighbours
from otoscope.study.neighbours.settings import NeighboursSettings
from otoscope.study.neighbours.settings import SoundsAlikeSettings
from otoscope.study.neighbours.sounds_alike import SoundsAlike as SoundsAlike
from otoscope.study.neighbours.words import WordVectors
from otoscope.study.phones.experiment import PhoneSettings as PhoneSettings
from otoscope.study.phones.experiment import PhoneStudy as PhoneStudy
from otoscope.study.probe.experiment import LabelsLike
from otoscope.study.probe.result import Probe as Probe
from otoscope.study.probe.settings import ProbeSettings
from otoscope.study.relevance.experiment import Relevance as Relevance
from otoscope.study.relevance.settings import RelevanceSettings
from otoscope.study.segments.pushed import PushedUp as PushedUp
from otoscope.study.segments.result import Segments as Segments
from otoscope.study.segments.settings import PushedUpSettings
from otoscope.study.segments.settings import SegmentsSettings
from otoscope.study.splice.experiment import Splice as Splice
from otoscope.study.splice.settings import SpliceWordsSettings
from otoscope.study.splice.words import SpliceWords as SpliceWords
from otoscope.study.steer.class_means import ClassMeans as ClassMeans
from otoscope.study.steer.experiment import Steer as Steer
from otoscope.study.steer.head_ablation import HeadAblation as HeadAblation
from otoscope.study.steer.phone_trials import Fits
from otoscope.study.steer.phone_trials import Lexicon
from otoscope.study.steer.phones import PhoneSwaps as PhoneSwaps
from otoscope.study.steer.settings import PhoneSwapSettings
from otoscope.study.steer.settings import SoundsSettings
from otoscope.study.steer.settings import SteerSettings
from otoscope.study.steer.settings import SteerSoundsSettings
from otoscope.study.steer.sounds import SteerSounds as SteerSounds
from otoscope.study.steer.steering import Add
from otoscope.study.steer.steering import Change
from otoscope.study.steer.steering import ScaleFeature
from otoscope.study.steer.steering import ScaleHead
from otoscope.study.steer.where import Where as Where
from otoscope.study.target import Target
from otoscope.study.whole.experiment import Study as Study
from otoscope.study.whole.settings import StudySettings as StudySettings
from otoscope.study.whole.watch import Watch
from otoscope.study.window.experiment import WindowStudy as WindowStudy
from otoscope.study.window.heard import ClipTranscript
from otoscope.study.window.settings import WindowSettings
from otoscope.study.words.experiment import WordSources as WordSources
from otoscope.study.words.scores import WordScores as WordScores
from otoscope.study.words.settings import WordSourcesSettings
from otoscope.study.words.settings import WordsSettings

__all__: list[str]
__version__: str

def ablate_heads(
    model: Whisper,
    speech: Iterable[Sound],
    *,
    n_sounds: int = 24,
    duration_s: float | None = None,
    levels_dbfs: Iterable[float] = (-60.0, -40.0, -20.0),
    language: str | None = None,
    seed: int = 0,
    settings: SoundsSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> HeadAblation:
    """Remove each head of the decoder in turn.

    Args:
        model: Any Whisper.
        speech: Clips of speech; those with transcripts are used, and there may be none.
        settings: Which sounds are made. Without a language, each clip's own, and for sounds that of the first clip, or
            else the one that the model detects.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            sounds and clips done, and the number in all (0 where it is not known).
        n_sounds: Sounds without speech of each kind, for the first two presets.
        duration_s: Their length; half the model's window by default.
        levels_dbfs: Levels of noise and music; the sounds of a kind take them in turn.
        language: The language spoken (en, de, ...); detected by the model by default.
        seed: Seed of everything that is drawn at random.

    Returns:
        What each head does to the words transcribed over no speech, and to the word error rate.

    Raises:
        InputError: A number cannot be used.

    Source:
        Ablation of single heads: Michel et al. 2019 (arXiv 1905.10650).
    """

def add_direction(
    model: Whisper,
    direction: Direction,
    site: str | None = None,
    *,
    force: bool = False,
) -> Add:
    """Add a vector to what a site holds.

    Args:
        model: Any Whisper.
        direction: The vector.
        site: Where; None for the site that the direction names.
        force: Accept a direction of another site or of other weights.

    Raises:
        SiteError: The site is not in the model.
        InputError: The vector does not fit, is not finite, or has length 0; or no site is named.
    """

def align_words(
    model: Whisper,
    clip: Sound,
    transcript: str | None = None,
    *,
    language: str | None = None,
    alignment_heads: Sequence[Sequence[int]] | None = None,
) -> tuple[Word, ...]:
    """Find when each word of a transcript is spoken.

    The times are those of attention, 20 ms apart, without the silence before and after a word; they are estimates, and
    where the transcript is not what is said they mean nothing (`probability` is then low).

    Args:
        model: Any Whisper with a tokenizer.
        clip: The recording, of any length.
        transcript: What is said in it; None for the clip's own.
        language: Language spoken, as code or English name; None for the clip's, or else the one the model detects.
        alignment_heads: Cross-attention heads to follow, as (block, head); None for the checkpoint's own.

    Returns:
        Its words as written, in order and without overlaps; in languages without spaces, tokens. Dashes and remarks
        (`[laughter]`) are left out.

    Raises:
        InputError: There is no transcript, it is too long for the decoder, it holds special tokens, or a recording
            longer than a window cannot be cut; or the language or a head is not the model's.
        AudioError: The recording cannot be used.
        ModelError: The model has no tokenizer.

    Source:
        OpenAI Whisper, `whisper/timing.py`, given the transcript instead of what was decoded.
    """

def as_clip(
    x: Clip | np.ndarray | str | Path,
) -> Clip:
    """Turn samples or the path of a recording into a clip.

    Args:
        x: A clip (returned as it is), an array of samples (mono, 16 kHz, floating point or 16-bit integers), or the
            path of a recording.

    Returns:
        The clip.

    Raises:
        AudioError: The recording or the samples cannot be used.
        InputError: `x` is none of these.
    """

def bigram_agreement(
    model: Whisper,
    known: KnownBigrams,
    *,
    level_dbfs: float = -40.0,
    seed: int = 0,
    settings: NoSoundSettings | None = None,
    sound: str | NoSound | Iterable[str | NoSound] = "padding",
    clips: Iterable[Sound] | None = None,
    batch_size: int = 128,
    progress: bool | Callable[[int, int], None] = True,
) -> BigramAgreement:
    """Compare what the decoder says next with what is known to follow, over all contexts.

    The model's distribution is that over text tokens, given that it writes text; the probability of that is listed
    too. A context that is given in several sentences counts with the mean of its distributions.

    Args:
        model: Any Whisper.
        known: What follows what, from `bigrams_of_text` or `bigrams_of_words` with this model.
        settings: How loud the noise is; the seed also draws the other contexts and the intervals.
        sound: What "no sound" means: one or several of `otoscope.study.bigrams.settings.SOUNDS`, or results of
            `no_sound`.
        clips: The clips to average for the sound `mean`.
        batch_size: Prompts run at once.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            contexts done and the number in all, over all sounds.
        level_dbfs: How loud noise and music are.
        seed: Seed of everything that is drawn at random.

    Returns:
        Scores of the model and of the baselines, and a row for every context.

    Raises:
        InputError: There are fewer than two contexts, or a setting cannot be used.
        AudioError: A clip cannot be used.

    Source:
        The question is claim 3 of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """

def bigrams(
    model: Whisper,
    prompts: str | Iterable[str],
    *,
    level_dbfs: float = -40.0,
    seed: int = 0,
    n_next: int = 20,
    only_text: bool = False,
    language: str | None = None,
    settings: BigramsSettings | None = None,
    sound: str | NoSound | Iterable[str | NoSound] = "padding",
    clips: Iterable[Sound] | None = None,
    batch_size: int = 128,
    progress: bool | Callable[[int, int], None] = True,
) -> Bigrams:
    """List the likeliest next tokens after prompts, the encoder being given no sound.

    The decoder gets the start tokens and the prompt, with a space in front as Whisper writes words in mid-sentence.

    Args:
        model: Any Whisper.
        prompts: A word or several; one prompt or many. A prompt of several tokens is shown as such.
        settings: What is listed.
        sound: What "no sound" means: one or several of `otoscope.study.bigrams.settings.SOUNDS`, or results of
            `no_sound`.
        clips: The clips to average for the sound `mean`.
        batch_size: Prompts run at once.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            prompts done and the number in all, over all sounds.
        level_dbfs: How loud noise and music are.
        seed: Seed of everything that is drawn at random.
        n_next: How many tokens to list.
        only_text: List no special tokens and no timestamps.
        language: The language token (en, de, ...); the model's own, or English.

    Returns:
        A continuation for every prompt and sound.

    Raises:
        InputError: A prompt is empty, too long or holds a special token; or a setting cannot be used.
        AudioError: A clip cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """

def bigrams_of_text(
    model: Whisper,
    lines: Iterable[str],
    *,
    language: str | None = None,
    in_sentences: bool = False,
    least: int = 10,
    seed: int = 0,
    name: str,
    settings: TextBigramsSettings | None = None,
) -> KnownBigrams:
    """Count which token follows which in a text, as the model's tokenizer cuts it.

    Args:
        model: Gives the tokenizer.
        lines: The text, line by line; nothing is counted across line ends.
        name: What the text is called.
        settings: How it is counted. In sentences a context is given to the decoder in up to `N_LEADS` places, drawn
            from all there are.
        language: The language token (en, de, ...); the model's own, or English.
        in_sentences: Give the decoder the text before each context in its line, too.
        least: How often a context must occur.
        seed: Seed of everything that is drawn at random.

    Returns:
        The contexts that occur often enough.

    Raises:
        InputError: No context occurs often enough, a setting is out of bounds, or the language is not the model's.

    Source:
        Maximum likelihood, so that entropies come out too low where counts are low.
    """

def bigrams_of_words(
    model: Whisper,
    counts: Mapping[tuple[str, str], float],
    *,
    name: str,
    language: str | None = None,
    sentences: Iterable[str] | None = None,
    seed: int = 0,
) -> KnownBigrams:
    """Make bigrams of known counts of word pairs; the second word of a pair counts as its first token.

    Args:
        model: Gives the tokenizer.
        counts: How often the second word (or mark) follows the first; a context of several tokens is one prompt.
        name: What the counts are called.
        language: Code or name of their language; by default the checkpoint's own, or else English.
        sentences: Sentences drawn from the same language: contexts are then given to the decoder with the text before
            them in up to `N_LEADS` of these, drawn from all there are, rather than alone.
        seed: Draws those places.

    Returns:
        The contexts that the decoder has room for; with sentences, those that are in one.

    Raises:
        InputError: There are no counts, one is negative or not finite, or the language is not the model's.
    """

def class_means(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    kind: str,
    site: str,
    *,
    lag: int | None = None,
    phone_set: str | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> ClassMeans:
    """Find the mean of every class in one pass over clips.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips; those without the labels are skipped.
        kind: `phone`, `language` or `speaker`.
        site: A site of the encoder that holds one vector for each frame.
        lag: Frames by which the encoder answers late; None to estimate it. Used for phones alone.
        phone_set: The set that phones are turned into; None for ARPAbet where labels are English, IPA elsewhere.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            clips done and the number in all.

    Raises:
        SiteError: The site is not in the model.
        InputError: The site does not hold one vector for each frame, the kind is unknown, or no clip has its labels.
    """

def dream(
    model: Whisper,
    features: str | Feature | Sequence[str | Feature],
    start: Sound | None = None,
    *,
    steps: int = 100,
    learning_rate: float = 0.05,
    frames: Iterable[int] | None = None,
    length_s: float | None = None,
    smooth: float = 1.0,
    stay: float = 0.0,
    jitter: int = 4,
    clamp: bool = True,
    sound: bool = True,
    batch_size: int = 8,
    seed: int = 0,
    settings: DreamSettings | None = None,
    window: int = 0,
    real: Iterable[Sound] | RealMoments | None = None,
    progress: bool | Callable[[int, int], None] = True,
    listening: Callable[[int, int], None] | None = None,
) -> Dream:
    """Find the log-mel that drives each feature most, by gradient ascent.

    Args:
        model: Any Whisper.
        features: One feature or several: `SITE:INDEX` for neurons, or what `feature_named` gives.
        start: A recording to start from; None for faint noise.
        settings: How they are made.
        window: Which window of a recording longer than one.
        real: Recordings to compare with, or the strongest moments already found; None for no comparison.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the steps
            done and the steps in all, over all batches.
        listening: Called after each recording of `real` with the number done and the number in all (0 when it is not
            known).
        steps: Steps of gradient ascent.
        learning_rate: How far a step goes, in units of the log-mel.
        frames: Drive the mean over these frames (20 ms); by default the middle of noise, and of a recording the frame
            that drives the feature most.
        length_s: How much to dream; 2 s of noise or the whole recording by default.
        smooth: Weight of the smoothness over time and bands.
        stay: Weight of the distance from the start.
        jitter: Shift by up to N columns (10 ms), less with each step.
        clamp: Keep to the range of real log-mels.
        sound: Make a sound for every dream.
        batch_size: Features driven at a time.
        seed: Seed of everything that is drawn at random.

    Returns:
        The dreams.

    Raises:
        SiteError: A site is not in the model.
        InputError: A feature's name is not valid, a feature is not in the encoder or is named twice, or the frames, the
            length or the window do not exist.
        AudioError: The recording cannot be used.

    Source:
        The experiment is one of the code of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """

def encoder_lens(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    seed: int = 0,
    language: str | None = None,
    settings: LensCurveSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> EncoderLens:
    """Transcribe with the encoder ended after its embedding and after each block.

    Args:
        model: Any Whisper.
        clips: One clip or many, of any length.
        settings: How averages are taken; by default the language is the one that the model detects with the whole
            encoder, at every stage.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            clips done and the number in all (0 when it is not known).
        seed: Seed of everything that is drawn at random.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        Transcripts, word error rates and log-probabilities, beside those with padding only.

    Raises:
        InputError: There are no clips, or the language is not the model's.

    Source:
        The logit lens (nostalgebraist 2020), applied to the encoder.
    """

def examples(
    run: HarvestRun,
    *,
    sites: Iterable[str] | None = None,
    bases: Iterable[str] | None = None,
    features: Iterable[int] | None = None,
    sign: str = "both",
    top: int | None = None,
    ranges: bool = False,
    settings: ExamplesSettings | None = None,
) -> Examples:
    """Look up the moments that drive features most.

    Args:
        run: A finished harvest.
        settings: Which.
        sites: A site or a pattern of the run's. All by default.
        bases: A basis of the run's. All by default.
        features: Features by number, which every site and basis has; all by default.
        sign: Peaks above zero, below, or both where the run has both.
        top: Only the N strongest of each; all that the run kept by default.
        ranges: The peaks drawn from every range of strength, too.

    Returns:
        The examples.

    Raises:
        InputError: A site, basis, feature or sign is not in the run, or the run kept fewer examples than that.
    """

def feature_named(
    model: Whisper,
    name: str,
    basis: str = "neuron",
    *,
    seed: int = 0,
    force: bool = False,
) -> Feature:
    """Find a feature by its name.

    Args:
        model: Any Whisper.
        name: `SITE:INDEX`, such as `encoder.blocks.2.mlp.1:533`.
        basis: `neuron`, `random`, or `sae:DIR` for a dictionary or a training's folder.
        seed: Seed of the random basis; the same seed gives the random basis of a harvest.
        force: Try a dictionary that was trained on another site or model.

    Returns:
        The feature.

    Raises:
        SiteError: The site is not in the model.
        InputError: The name or the basis is not valid, the basis does not fit, or the index is out of range.
    """

def head_lens(
    model: Whisper,
    clip: Sound,
    *,
    text: str | None = None,
    window: int | None = None,
    language: str | None = None,
    settings: SaidSettings | None = None,
) -> HeadLens:
    """Take the logit of each token of a transcript apart into what each part of the decoder adds directly.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        settings: What is said. A text is said over one window.
        text: Make the decoder say this; its own transcript by default.
        window: Look only at this window of a long recording, from 0.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        The contributions.

    Raises:
        InputError: The text, the window or the language cannot be used.
        AudioError: The recording cannot be used.

    Source:
        Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", direct logit attribution; the final
        norm is held at the scale it has. What a head does through later blocks is not in its own contribution.
    """

def head_lens_mean(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    seed: int = 0,
    language: str | None = None,
    settings: LensCurveSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> HeadLensMean:
    """Average what each part of the decoder adds to the logit of the token that is due.

    Args:
        model: Any Whisper.
        clips: The clips; each is said as the model writes it.
        settings: How averages are taken; the seed draws the other tokens and the bootstrap.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            clips done and the number in all (0 when it is not known).
        seed: Seed of everything that is drawn at random.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        Means with intervals over clips, and what the same parts add to another token of the same window.

    Raises:
        InputError: There are no clips, the model writes nothing over any of them, or the language is not the model's.

    Source:
        As `head_lens`, with another token as the baseline.
    """

def language_lens(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    seed: int = 0,
    settings: LanguageLensSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> LanguageLens:
    """Measure which language each block and each head of the decoder detects in recordings.

    Args:
        model: A multilingual Whisper.
        clips: One clip or many.
        settings: The seed of the bootstrap over clips.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            clips done and the number in all (0 when it is not known).
        seed: Seed of everything that is drawn at random.

    Returns:
        Probabilities by block and contributions by head, beside those with padding only.

    Raises:
        InputError: The model knows only one language, or there are no clips.

    Source:
        Languages by layer and head after "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), in the code it came
        with; found at the start of the transcript, Radford et al. 2022 (arXiv 2212.04356), section 2.3.
    """

def lens(
    model: Whisper,
    clip: Sound,
    *,
    text: str | None = None,
    window: int | None = None,
    language: str | None = None,
    top: int = 5,
    settings: LensSettings | None = None,
) -> Lens:
    """Read what every block of the decoder would say already, token by token.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        settings: What is said, and how many of the likeliest tokens are kept. A text is said over one window.
        text: Make the decoder say this; its own transcript by default.
        window: Look only at this window of a long recording, from 0.
        language: The language spoken (en, de, ...); detected by the model by default.
        top: Keep this many of the likeliest tokens at every block.

    Returns:
        What each stage predicts at each token of the text and at its end.

    Raises:
        InputError: The text, the window, the language or `top` cannot be used.
        AudioError: The recording cannot be used.

    Source:
        nostalgebraist 2020, "interpreting GPT: the logit lens". Early blocks write in a basis of their own, so what
        the lens reads there is a lower bound of what they know (Belrose et al. 2023, arXiv 2303.08112).
    """

def lens_curve(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    seed: int = 0,
    language: str | None = None,
    settings: LensCurveSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> LensCurve:
    """Measure how well each block of the decoder predicts what the model writes, over many clips.

    Args:
        model: Any Whisper.
        clips: The clips; each is said as the model writes it.
        settings: How averages are taken; the seed is that of the bootstrap.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            clips done and the number in all (0 when it is not known).
        seed: Seed of everything that is drawn at random.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        Log-probability, reciprocal rank, and how often a stage's first choice is the next token or the last block's.

    Raises:
        InputError: There are no clips, or the language is not the model's.

    Source:
        As `lens`.
    """

def listen(
    model: Whisper,
    clip: Sound,
    *,
    ks: Sequence[int] = (250, 150, 100, 75, 50, 35, 20, 10, 5, 2),
    splice: bool = True,
    language: str | None = None,
    seed: int = 0,
) -> Listening:
    """Listen to one recording in every way.

    Args:
        model: Any Whisper with a tokenizer.
        clip: A clip, an array at 16 kHz or a path; of one longer than a window the first window.
        ks: Attention windows to transcribe under.
        splice: Whether to transcribe without each word's frames, too.
        language: What is spoken, as Whisper's code; by default what the model finds.
        seed: Of intervals.

    Returns:
        What was found.

    Raises:
        InputError: A setting cannot be used.
        AudioError: The recording cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """

def load(
    source: str | Path = "demo",
    *,
    device: str = "auto",
    dtype: str = "float32",
    base_model: str | Path | None = None,
) -> Whisper:
    """Load a Whisper.

    Args:
        source: `demo`; one of `SHORT_NAMES` (`tiny`, `small.en`, `turbo`); a file or folder of any format that is read
            (Hugging Face, OpenAI's `.pt`, CTranslate2, whisper.cpp, MLX, a LoRA adapter); a Hugging Face id, looked for
            in the local cache first and otherwise downloaded; or a name that `otoscope models` lists. The first two
            take precedence over a folder of the same name: write `./tiny` for the folder.
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for CUDA where available.
        dtype: `float32`, `bfloat16` or `float16`, whatever the file holds.
        base_model: What the checkpoint was made from, named like a source: an adapter is merged into it, and tokenizer
            and generation settings that the checkpoint lacks are taken from it. None takes the one it names itself.

    Returns:
        The model, in evaluation mode, with every weight checked.

    Raises:
        InputError: the device or dtype is unknown or not available.
        ModelError: the source cannot be found, reached or used; it says where it looked and what to do.
    """

def load_dictionary(
    folder: str | Path,
) -> Dictionary:
    """Read a dictionary from a folder in SAELens's or dictionary_learning's layout.

    Args:
        folder: Holds `cfg.json` and `sae_weights.safetensors`, or `config.json` and `ae.pt`; or a single such folder,
            as a training of one dictionary leaves it. Other files in it are ignored.

    Returns:
        The dictionary on the CPU, its weights in float32 whatever the file holds.

    Raises:
        InputError: There is no dictionary or more than one, a file is missing or damaged, or a setting or a tensor is
            missing or has the wrong type or shape.
    """

def locality(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    local_within: int = 50,
    local_share: float = 0.9,
    settings: LocalitySettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> Locality:
    """Measure how far every encoder head listens, over the speech frames of a corpus.

    Clips are read one at a time and not kept, so a corpus may have any length.

    Args:
        model: Any Whisper.
        clips: Clips, arrays at 16 kHz or paths.
        settings: Which heads count as local.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called after each clip
            with the number done and the number in all (0 when it is not known).
        local_within: A head is local when enough of its attention is at most this many frames (20 ms) away.
        local_share: How much is enough, above 0 and up to 1.

    Returns:
        The distances of all heads beside those of even attention over the same frames.

    Raises:
        InputError: A setting is out of range, there are no clips, or no clip holds speech.

    Source:
        After the observation in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1; the mean distance
        is that of Vig and Belinkov 2019, "Analyzing the structure of attention", section 4.3.
    """

def neighbours(
    model: Whisper,
    words: Sequence[str],
    *,
    k: int = 20,
    raw: bool = False,
    special: bool = False,
    settings: NeighboursSettings | None = None,
    pronounce: Pronouncer | None = None,
    meanings: WordVectors | None = None,
) -> Neighbours:
    """Find the tokens nearest to words in the decoder's embedding.

    Vectors are compared without the mean and the first principal component of text tokens, which make up most of a
    token's length in released checkpoints.

    Args:
        model: Any Whisper with a tokenizer.
        words: Words, or names of special tokens (`<|en|>`). One that is not a single token is represented by one of
            its tokens, see `tokens.find_token`.
        settings: Which tokens are listed.
        pronounce: Pronounces words; a `Lexicon`, for example. Without it words are compared by spelling only.
        meanings: Word vectors, for similarity in meaning.
        k: Nearest tokens of each word.
        raw: Also list the nearest by the unchanged vectors; --all always compares both.
        special: Also search special tokens and timestamps; not with --all.

    Returns:
        The nearest tokens of every word.

    Raises:
        InputError: There is no word, one is unknown to the tokenizer, or a setting is out of bounds.
        ModelError: There is no tokenizer.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3; the correction is `token_spaces`.
    """

def nonspeech(
    kind: Nonspeech,
    duration_s: float,
    *,
    level_dbfs: float = -40.0,
    seed: int = 0,
) -> Clip:
    """Make a sound without speech.

    Args:
        kind: `silence` is that of a quiet room: pink noise and a faint hum, always at `ROOM_DBFS`. `noise` is pink,
            like most everyday noise. `music` is four repeating chords with a random melody on top.
        duration_s: Length in seconds; up to an hour.
        level_dbfs: Root mean square of noise and music, in decibels relative to a full scale of 1; -120 to 0.
        seed: Seeds the noise and the melody.

    Returns:
        The clip, with an empty transcript; its id names what it is.

    Raises:
        InputError: There is no such kind, or a number is not allowed.

    Source:
        Pink noise by shaping a white spectrum, Timmer and Koenig 1995, "On generating power law noise".
    """

def open_corpus(
    source: str | Path,
    *,
    phone_set: str | None = None,
) -> Corpus:
    """Find the clips of a corpus, without reading sound yet.

    Args:
        source: `demo` (the clips in the package), a folder of recordings, a LibriSpeech tree, a manifest (`.jsonl`,
            `.csv`, `.tsv` or `.parquet`), `hf:NAME[:CONFIG[:SPLIT]]` (Hugging Face datasets), or one recording.
        phone_set: The phone set of its labels, one of `otoscope.corpus.phones.PHONE_SETS`; detected by default.

    Returns:
        The corpus; iterate it for its clips.

    Raises:
        InputError: There is no such folder, file or dataset, there is no recording in it, its manifest is wrong, two
            clips have the same id, or there is no such phone set.
    """

def open_run(
    folder: str | Path,
) -> HarvestRun:
    """Open a finished run.

    Args:
        folder: The folder given to `otoscope harvest --out`.

    Returns:
        The run; tables are read when they are needed.

    Raises:
        InputError: There is no run, it is not finished, or it has another version.
    """

def phones(
    run: HarvestRun | str | Path,
    *,
    top: int | None = None,
    auroc: float = 0.9,
    purity: float = 0.8,
    min_frames: int = 20,
    min_examples: int = 10,
    member_auroc: float = 0.8,
    part_share: float = 0.1,
    min_samples: int = 5,
    top_purity: float = 0.8,
    mixture_share: float = 0.2,
    alpha: float = 0.01,
    label_agreement: float | None = None,
    baselines: Sequence[HarvestRun | str | Path] = (),
    features: Sequence[str] = (),
    settings: PhoneSettings | None = None,
) -> PhoneStudy:
    """Score every feature of a harvest against the phones.

    Args:
        run: A finished run, or its folder.
        baselines: Runs to compare it with, such as one of an untrained model; they count the same phone set.
        features: Features to show range by range, as `SITE:BASIS:INDEX`.
        settings: The thresholds.
        top: Only the N strongest examples; all that the run kept by default.
        auroc: A phone, pair or class is detected from this held-out AUROC on.
        purity: And where this share of the top examples falls in it.
        min_frames: A phone with fewer speech frames in either half is not judged.
        min_examples: A feature with fewer labelled top examples has no purity.
        member_auroc: The AUROC, against frames outside, that the phones of a pair or class need by themselves.
        part_share: Each phone of a pair has at least this share of the top examples.
        min_samples: Ranges with fewer labelled samples are not judged.
        top_purity: The top ranges are pure when this share of their samples is of one phone.
        mixture_share: A lower range is a mixture when another phone has at least this share of its samples.
        alpha: How unlikely by chance that share must be, over all phones and ranges of a feature.
        label_agreement: Share of the labels that are right, such as an aligner's against hand labels.

    Returns:
        The scores of all features, and what they add up to beside the baselines.

    Raises:
        InputError: A run cannot be read or has no phones, baselines count other phones, or a feature is not there.

    Source:
        After "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2; scores as in `docs/phones.md`.
    """

def probe(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    task: str,
    sites: str | Sequence[str] = ("encoder.blocks.*", "encoder.ln_post"),
    *,
    rows: int = 10000,
    folds: int = 5,
    classifier: str = "logistic",
    split: str = "auto",
    lag: int | None = None,
    seed: int = 0,
    settings: ProbeSettings | None = None,
    labels: LabelsLike | None = None,
    test: Corpus | Iterable[Sound] | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> Probe:
    """Learn what can be read off sites of a model, and score it on speakers that were held out.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips with labels.
        task: For every frame `phone` or `speech`; for a clip `language`, `speaker`, or the name of what `labels` hold.
            A clip is read as the mean over its frames of speech; at sites of the decoder, over the tokens of its own
            transcript.
        sites: Names or patterns of sites with one vector for each frame or token.
        settings: How probes are learnt.
        labels: Clip id or speaker to label; or a file with a column named like the task
            (`probe.labels.read_labels`).
        test: Score on these clips, and learn from all of `clips`; by default each speaker is held out once.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the amount
            done and the amount in all: clips read and sites learnt.
        rows: Frames drawn at most, as many from every clip; or clips used.
        folds: Parts that speakers are dealt into, each predicted by a probe of the others.
        classifier: ridge is quicker, and worse for many classes.
        split: What is held out; auto holds out clips if no speaker is known.
        lag: How late the encoder answers, for tasks of frames: 0 by default, or what a harvest found.
        seed: Seed of everything that is drawn at random.

    Returns:
        Accuracy of every site beside that of the commonest class and of shuffled labels, and the probes' directions.

    Raises:
        SiteError: A site is not in the model.
        InputError: There is only one class, there are too few speakers, a speaker is in both parts, or a setting is
            wrong.

    Source:
        Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes" (arXiv 1610.01644);
        shuffled labels after Hewitt and Liang 2019, "Designing and Interpreting Probes with Control Tasks".
    """

def probe_saved(
    run: HarvestRun | str | Path,
    task: str,
    sites: str | Sequence[str] | None = None,
    *,
    rows: int = 10000,
    folds: int = 5,
    classifier: str = "logistic",
    split: str = "auto",
    lag: int | None = None,
    seed: int = 0,
    settings: ProbeSettings | None = None,
    labels: LabelsLike | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> Probe:
    """Learn probes from activations that a harvest saved: no model runs.

    Args:
        run: A harvest, or its folder.
        task: As for `probe`.
        sites: Names or patterns of saved sites; all by default.
        settings: How probes are learnt.
        labels: As for `probe`.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, as for `probe`.
        rows: Frames drawn at most, as many from every clip; or clips used.
        folds: Parts that speakers are dealt into, each predicted by a probe of the others.
        classifier: ridge is quicker, and worse for many classes.
        split: What is held out; auto holds out clips if no speaker is known.
        lag: How late the encoder answers, for tasks of frames: 0 by default, or what a harvest found.
        seed: Seed of everything that is drawn at random.

    Returns:
        The probes.

    Raises:
        InputError: There is no such run, it saved no activations, or as for `probe`.
    """

def pushed_up(
    model: Whisper,
    clip: Sound,
    start_s: float,
    stop_s: float,
    *,
    top: int = 20,
    least: float = 0.001,
    context: str = "",
    language: str | None = None,
    settings: PushedUpSettings | None = None,
) -> PushedUp:
    """Find the words that a stretch pushes up.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        start_s: Where the stretch begins, from the start of the clip.
        stop_s: Where it ends; every frame that it touches is heard. It lies in one window.
        settings: Which words are listed; a rise of a negligible probability means little. Without a language, it is the
            one that the model detects in the whole window.
        top: Words given at most.
        least: Leave out tokens less probable than this over the stretch.
        context: What the transcript is assumed to begin with.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        Words by their log-probability right after the start tokens, less that over padding only.

    Raises:
        InputError: The stretch is empty, not in the clip or in two windows, or a setting is out of bounds.
        AudioError: The recording cannot be used.
    """

def read_clip(
    path: str | Path,
    **labels: Any,
) -> Clip:
    """Read a recording as a clip.

    Args:
        path: Any recording that `read_audio` reads.
        **labels: What is known about it: `id` (default: the file's name without its ending), `transcript`, `words`,
            `phones`, `speaker`, `language`.

    Returns:
        The clip, mono at 16 kHz; its `notes` say what was read otherwise than the file says.

    Raises:
        AudioError: The recording cannot be used.
    """

def relevance(
    model: Whisper,
    clip: Sound,
    *,
    window: int = 0,
    language: str | None = None,
    settings: RelevanceSettings | None = None,
    target: Target = None,
) -> Relevance:
    """Measure which frames each frame of the encoder listens to.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        settings: Which window, and the language spoken.
        target: What is differentiated with respect to the patterns. None: the sum of the final encoder output
            (`encoder.ln_post`), padding frames included. A frame or a stretch (start, stop) of frames: the sum of the
            final encoder output there, counted from the start of the window. A word of the window's transcript, as
            text or as `TargetWord(index)`: the sum of the log-probabilities of its tokens, with the decoder given the
            transcript up to each of them.
        window: Which window of a recording longer than one, from 0.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        The relevance map of that window.

    Raises:
        InputError: The window, the frames or the word does not exist.
        AudioError: The recording cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1; `propagate`. Where the last layer norm scales all
        channels alike, the sum of its output is constant and so its gradient zero: released checkpoints do not.
    """

def run_harvest(
    model: Whisper,
    corpus: Corpus,
    settings: HarvestSettings | None = None,
    out: str | Path = "run",
    *,
    sites: Iterable[str] = ("encoder.blocks.*.mlp.1",),
    bases: Iterable[str] = ("neuron",),
    top: int = 20,
    peaks_per_clip: int = 1,
    sign: str = "both",
    samples: int = 10,
    ranges: int = 10,
    seed: int = 0,
    phone_set: str | None = None,
    lag: int | None = None,
    save_activations: str | None = None,
    part_clips: int = 32,
    force: bool = False,
    root: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    reader: Reads | None = None,
    progress: bool | Callable[[str, int, int], None] = True,
) -> HarvestRun:
    """Gather top examples, ranges of strength and statistics of every feature of the named sites and bases.

    One pass over the corpus. A run that was interrupted continues when it is called again with the same settings.

    Args:
        model: Any Whisper.
        corpus: The clips.
        settings: What to gather; every setting can be given by name instead.
        out: The folder of the run.
        workers: Number of processes; each loads the model and keeps its own state.
        overwrite: Whether an existing run may be replaced.
        reader: Gives the activations of the settings' sites, for instance from a store; the model runs by default.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the stage,
            the clips done and their total; once with `RESUMING` and the clips that were done before, where a run that
            was stopped goes on.
        sites: A site of the encoder, or a pattern. The neurons by default.
        bases: neuron, random, pca, untrained or sae:DIR.
        top: Examples kept of every feature and sign.
        peaks_per_clip: Examples that one clip may give.
        sign: Whether strengths below zero count, too.
        samples: Peaks drawn from every range of strength.
        ranges: Ranges of equal width, from the strongest peak to 0.
        seed: Seed of everything that is drawn at random.
        phone_set: Convert phones to this set (arpabet, ipa, timit39, ...); arpabet by default where possible, else ipa.
        lag: How late the encoder answers, in frames; estimated by default.
        save_activations: Write the sites' activations too, for training.
        part_clips: Clips after which what was gathered is put together with what was before.
        force: Try a dictionary that was trained on another site or model.
        root: The folder from which a relative sae:DIR is looked for; here by default.

    Returns:
        The finished run.

    Raises:
        InputError: A site, basis or setting cannot be used, no clip can be used or none has speech, or the folder
            holds a different run.
        OutputError: The folder cannot be written.
    """

def run_study(
    model: Whisper,
    corpus: Corpus,
    settings: StudySettings | None = None,
    out: str | Path = "study",
    *,
    preset: str = "",
    without: Iterable[str] = (),
    overwrite: bool = False,
    progress: bool | Callable[[str, float, float], None] = True,
    watch: Watch | None = None,
) -> Study:
    """Run every experiment on a model and a corpus, and say which of the three claims hold.

    Args:
        model: Any Whisper.
        corpus: The clips; their labels decide which parts can be done.
        settings: Settings of every part; those of `preset` by default.
        out: The study's folder. A study that was stopped there continues.
        preset: `quick`, `standard`, `full` or `demo`: how large the samples are; `standard` by default. With
            `settings`, only a name for them.
        without: Parts to leave out, such as `dictionaries`; `otoscope.study.catalogue.part_names()` lists all.
        overwrite: Whether another study in the folder may be replaced.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with a part, the
            amount of it that is done, and the amount in all.
        watch: Told when the parts begin, and after each of them.

    Returns:
        The finished study.

    Raises:
        InputError: The settings are wrong, no clip can be used, or the folder holds another study.
        OutputError: The folder cannot be written.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), whose three claims it tests.
    """

def save_dictionary(
    dictionary: Dictionary,
    folder: str | Path,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a dictionary in SAELens's layout.

    A new folder appears only when it is complete. In an existing folder the two files are replaced, and others stay.

    `folder`: the folder to write. Missing parents are created.
    """

def scale_feature(
    feature: Feature,
    factor: float,
) -> ScaleFeature:
    """Multiply how strongly a feature is active."""

def scale_head(
    model: Whisper,
    head: str,
    factor: float = 0.0,
) -> ScaleHead:
    """Multiply what one attention head reads.

    Args:
        model: Any Whisper.
        head: `ROOM.BLOCK.PART.HEAD`: `decoder.0.cross_attn.2`, `decoder.1.attn.0`; `encoder.3.1`, where there is one
            part alone.
        factor: 0 removes it, 1 leaves it.

    Raises:
        SiteError: There is no such head.
        InputError: The name is not valid, or the factor cannot be used.
    """

def scaled_features(
    model: Whisper,
    dictionary: Dictionary,
    factors: Mapping[int, float],
    *,
    site: str | None = None,
    force: bool = False,
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Make the edits that multiply strengths of features by factors."""

def score_dictionaries(
    model: Whisper,
    clips: Clips,
    dictionaries: Dictionaries,
    settings: ScoreSettings | None = None,
    *,
    replaced: str = "trained",
    has_transcripts: bool = True,
    has_phones: bool = True,
    baseline_frames: int = 400000,
    partner: float = 0.7,
    language: str | None = None,
    force: bool = False,
    seed: int = 0,
    site: str | None = None,
    second: Dictionaries | None = None,
    random_decoder: Dictionaries | None = None,
    progress: bool | Callable[[str, int, int], None] = True,
) -> DictionaryScores:
    """Score dictionaries beside their baselines, which are fitted to one half of the clips; the other half is scored.

    The baselines are raw neurons, as many principal components as the dictionary has features active, a dictionary
    with a random decoder, and the mean. Takes one pass of the encoder over each half, and for transcripts another, and
    two of the decoder, for each dictionary and baseline.

    Args:
        model: The model that the dictionaries were trained on.
        clips: The clips, or a corpus as `open_corpus` takes it.
        dictionaries: A dictionary, a training, or the folder of either; one for a site. Phones are scored only for
            those with a folder.
        settings: What of them to score.
        site: Where a single dictionary belongs; None for the site that it names.
        second: Dictionaries of the same sites from another seed, to see which features come again.
        random_decoder: Dictionaries with a random decoder, where they are trained already.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with what is being
            done, the number of clips done and the number in all.
        replaced: Frames that reconstructions replace in transcription: of the kinds that were trained on, or others.
        has_transcripts: Transcribe with reconstructions in place: CE, WER and CER.
        has_phones: Look for features that detect one phone.
        baseline_frames: Frames to train the random decoder's encoder on; 0 for no such baseline.
        partner: Cosine from which on features of two dictionaries are partners.
        language: The language spoken (en, de, ...); detected by the model by default.
        force: Score a dictionary that was trained on another site or model.
        seed: Seed of everything that is drawn at random.

    Returns:
        A table for every site: variance explained, active features, and error rates of what is transcribed through
        the dictionary.

    Raises:
        InputError: A dictionary does not say where it belongs, does not fit the model, or there is none.
    """

def segments(
    model: Whisper,
    clips: Iterable[Sound],
    words: Sequence[str] | str,
    *,
    length_s: float = 0.6,
    step_s: float = 0.1,
    top: int = 10,
    context: str = "",
    sound_format: str = "flac",
    language: str | None = None,
    settings: SegmentsSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> Segments:
    """Find the stretches of a corpus in which the decoder is surest of words.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips; with words in time, it is counted how often the word is in its surest stretches.
        words: One word or several. A word is tried as written and with a capital, after a space; its log-probability
            is that of all its tokens right after the start tokens. A longer word that begins with it counts, too.
        settings: How they are searched for; without a language, it is the one that the model detects in each whole
            window.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called after each clip
            with the number done and the number in all (0 when it is not known).
        length_s: Length of a stretch.
        step_s: From the start of one stretch to the next.
        top: Stretches kept for each word; none of a clip that overlap.
        context: What the transcript is assumed to begin with.
        sound_format: How sounds are written, 16 bits a sample.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        For each word its stretches, surest first, and the share of them that hold it beside that of all stretches.

    Raises:
        InputError: A word cannot be written, a setting is out of bounds, or there are no clips.
        AudioError: A recording cannot be used.

    Source:
        The study's search of segments for a token, in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023); hearing a
        stretch alone is the reverse of its splice of claim 1.
    """

def sounds_alike(
    model: Whisper,
    *,
    k: int = 10,
    close: float = 0.25,
    draws: int = 10,
    seed: int = 0,
    settings: SoundsAlikeSettings | None = None,
    pronounce: Pronouncer | None = None,
    meanings: WordVectors | None = None,
    counts: Mapping[str, int] | None = None,
    words: Sequence[str] | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> SoundsAlike:
    """Measure whether the tokens nearest to each whole-word token sound more like it than random ones as frequent.

    Args:
        model: Any Whisper with a tokenizer.
        settings: How nearest tokens are compared with random ones.
        pronounce: Pronounces words; words that it does not know are left out. Without it words are compared by spelling
            alone.
        meanings: Word vectors, for similarity in meaning.
        counts: How often each word occurs, in small letters; words that do not occur are left out. By default the order
            of the tokens stands for their frequency: a tokenizer adds the commonest first.
        words: Compare these words alone; all by default.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            words whose nearest tokens were found and the number in all.
        k: Nearest tokens of each word.
        close: Phone and spelling distances up to here count as near.
        draws: Random words for each of the nearest.
        seed: Seed of everything that is drawn at random.

    Returns:
        The contrasts, with 95% intervals from a bootstrap over words.

    Raises:
        InputError: A setting is out of bounds, or too few words are left to compare.
        ModelError: There is no tokenizer.

    Source:
        The claim: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """

def splice(
    model: Whisper,
    clip: Sound,
    start: float,
    stop: float,
    unit: Literal["frames", "seconds"] = "frames",
    *,
    language: str | None = None,
) -> Splice:
    """Transcribe a clip with the final encoder output of [start, stop) replaced by that of padding only.

    Args:
        model: Any Whisper.
        clip: A clip, an array at 16 kHz or a path.
        start: Where the stretch begins, from the start of the recording.
        stop: Where it ends; frames from here on stay.
        unit: `frames` of 20 ms, or `seconds`, of which every frame that they touch is replaced. Frames are numbered
            through all windows of a recording and through the padding of the last.
        language: Language spoken, as Whisper's code; by default the one that the model detects in the first window's
            encoder output, spliced or not.

    Returns:
        Both transcripts. Splicing all frames gives the transcript of padding only.

    Raises:
        InputError: The stretch is empty, negative or past the end, or the unit is unknown.
        AudioError: The recording cannot be used.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, "Removing words in embedding space".
    """

def splice_words(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    margin_frames: int = 0,
    language: str | None = None,
    seed: int = 0,
    settings: SpliceWordsSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> SpliceWords:
    """Splice out every word in turn and count what went and what stayed.

    A word that takes several words of the transcript ("well-known") counts as one. Clips without word times are named
    in the result and left out.

    Args:
        model: Any Whisper.
        clips: Clips with words in time.
        settings: How words are spliced out.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called after each clip
            with the number done and the number in all (0 when it is not known).
        margin_frames: With --words: replace this many frames (20 ms) on either side of a word as well.
        language: The language spoken (en, de, ...); detected by the model by default.
        seed: Seed of everything that is drawn at random.

    Returns:
        Every trial, and the rates over them.

    Raises:
        InputError: A setting is out of bounds, or no clip has words in time.

    Source:
        The splice is that of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """

def steer(
    model: Whisper,
    clips: Iterable[Sound],
    changes: Sequence[Change],
    strengths: Sequence[float] = (1.0,),
    *,
    draws: int = 1,
    redetect: bool = False,
    language: str | None = None,
    seed: int = 0,
    settings: SteerSettings | None = None,
    where: Where | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> Steer:
    """Transcribe clips under a steering at several strengths, and under random changes of the same size.

    Args:
        model: Any Whisper.
        clips: One or more; those with transcripts have a word error rate.
        changes: From `otoscope.study.steer.steering`: `add`, `scale_feature`, `scale_head`.
        strengths: Each multiplies the vectors that are added, and the distance of factors from 1.
        where: The frames that are steered; None for all. Phones are those of ARPAbet where the clips' labels are
            English and of the IPA elsewhere, as in `class_means`; a stream of clips has them as they are written.
        settings: How clips are transcribed. Without a language, each clip's own, or else the one that the model detects
            with nothing changed.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called after each group
            of clips with the number done and the number in all (0 when it is not known).
        draws: Random changes of the same size, for comparison; 0 for none.
        redetect: Let the steered model detect the language of each recording again.
        language: The language spoken (en, de, ...); detected by the model by default.
        seed: Seed of everything that is drawn at random.

    Returns:
        Transcripts and rates. A strength of 0 changes nothing, to the bit.

    Raises:
        InputError: There is nothing to change or to transcribe, a strength cannot be used, or a vector is huge.

    Source:
        Adding class means: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023); Turner et al. 2023 (arXiv 2308.10248).
    """

def steer_phones(
    model: Whisper,
    clips: Corpus | Iterable[Sound],
    sites: Sequence[str],
    strengths: Sequence[float] = (1.0, 2.0),
    *,
    n_pairs: int | None = None,
    margin_frames: int = 2,
    language: str | None = None,
    seed: int = 0,
    settings: PhoneSwapSettings | None = None,
    lexicon: Lexicon | None = None,
    fits: Fits | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> PhoneSwaps:
    """Try to turn words into others by one phone each.

    Args:
        model: Any Whisper.
        clips: A corpus, or clips, with words and phones in time.
        sites: Sites of the encoder that hold one vector for each frame; patterns may be given.
        strengths: What the difference of the means is multiplied with.
        settings: Which words, and over which frames. Without a language, each clip's own, or else the one that the
            model detects.
        lexicon: Word to its pronunciations in ARPAbet (IPA for labels in other sets); None for those that the clips'
            own labels show.
        fits: Which words can stand for which; None for all, of which most do not fit their sentence.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            runs over a batch done and the number in all.
        n_pairs: With --preset phones: how many words at most; all by default.
        margin_frames: Frames of 20 ms to steer on either side of the phone as well.
        language: The language spoken (en, de, ...); detected by the model by default.
        seed: Seed of everything that is drawn at random.

    Returns:
        How often the other word was heard.

    Raises:
        SiteError: A site is not in the model.
        InputError: A site has no vectors by frame, a number cannot be used, or no clip has a minimal pair.
    """

def steer_sounds(
    model: Whisper,
    speech: Iterable[Sound],
    changes: Sequence[Change],
    strengths: Sequence[float] = (1.0,),
    *,
    n_sounds: int = 24,
    duration_s: float | None = None,
    levels_dbfs: Iterable[float] = (-60.0, -40.0, -20.0),
    language: str | None = None,
    seed: int = 0,
    draws: int = 1,
    settings: SteerSoundsSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> SteerSounds:
    """Steer a model over sounds without speech and over clean speech.

    Args:
        model: Any Whisper.
        speech: Clips of clean speech with transcripts; may be empty.
        changes: From `otoscope.study.steer.steering`.
        strengths: See `steer`.
        settings: Which sounds are made. Without a language, each clip's own, and for sounds that of the first clip, or
            else the one that the model detects.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            sounds and clips done, and the number in all (0 where it is not known).
        n_sounds: Sounds without speech of each kind, for the first two presets.
        duration_s: Their length; half the model's window by default.
        levels_dbfs: Levels of noise and music; the sounds of a kind take them in turn.
        language: The language spoken (en, de, ...); detected by the model by default.
        seed: Seed of everything that is drawn at random.
        draws: Random changes of the same size, for comparison; 0 for none.

    Returns:
        Words over sounds, and the word error rate on speech, at each strength.

    Raises:
        InputError: There is nothing to change, a number cannot be used, or a vector is huge.
    """

def train_dictionaries(
    model: Whisper | None,
    clips: Clips | HarvestRun,
    sites: str | Iterable[str] = "encoder.blocks.*",
    out: str | Path = "dictionaries",
    *,
    kinds: Iterable[str] = ("speech",),
    frames: int | None = None,
    batch_frames: int | None = None,
    learning_rate: float | None = None,
    checkpoint_minutes: float = 5,
    coder: str = "batchtopk",
    expansion: float = 8,
    n_features: int | None = None,
    k: int = 32,
    sparsity: float | None = None,
    precision: str = "float32",
    is_decoder_frozen: bool = False,
    seed: int = 0,
    normalise: str = "median_length",
    settings: TrainOptions | None = None,
    device: str | torch.device | None = None,
    overwrite: bool = False,
    progress: bool | Callable[[int, int], None] = True,
) -> DictionaryTraining:
    """Train a sparse autoencoder for every site, all from one pass over the same frames.

    A training that was stopped continues when the same call is made again. A finished one is read from its folder.

    Args:
        model: Any Whisper. It may be None where the activations were saved by a harvest.
        clips: The clips, or a corpus as `open_corpus` takes it; or a harvest that saved activations, or its folder.
        sites: Sites of the encoder, or patterns; each gets its own dictionary.
        out: The training's folder: a folder for each dictionary in SAELens's layout, curves, and a manifest.
        settings: What to train, and on how much.
        device: Where to train; None for the model's device, or for what is there.
        overwrite: Whether another training in the folder may be replaced.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            steps done and the number in all.
        kinds: Kinds of frame to train on.
        frames: Frames to train on in all; 2 million by default, but at most 10 passes.
        batch_frames: Frames in a step; by default few enough for 400 steps, from 64 to 4096.
        learning_rate: Learning rate; by the rule of the coder's paper by default.
        checkpoint_minutes: Minutes between two checkpoints.
        coder: What kind of dictionary.
        expansion: Features for each value of a site.
        n_features: Features of each dictionary, in place of --expansion.
        k: Features active at a time, of each frame (topk) or on average (batchtopk, matryoshka).
        sparsity: Weight of the sparsity term, L1 (standard, tied) or L0 (jumprelu); the coder's own by default.
        precision: Precision of the products with all features; weights stay float32.
        is_decoder_frozen: Leave the decoder as it is drawn: a baseline of random directions.
        seed: Seed of everything that is drawn at random.
        normalise: Scale vectors to a length of sqrt(width), by their median or mean length, or not.

    Returns:
        How every dictionary ended, and the curves; `dictionary(site)` reads one.

    Raises:
        InputError: A site or setting cannot be used, there are too few frames for a batch, or the folder holds
            something else.
        TrainingDivergedError: A loss grew without bound.
        OutputError: The folder cannot be written.
    """

def untrained(
    model: Whisper,
    seed: int = 0,
) -> Whisper:
    """Make a model of the same shape, on the same device and in the same dtype, with random weights.

    Returns the model, weights drawn as the framework draws them before training. It has no tokenizer.
    Source: transformers, `WhisperPreTrainedModel._init_weights`.
    """

def window(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    ks: Iterable[int] = (100, 75, 50, 20, 10),
    blocks: Iterable[int] | None = None,
    heads: Iterable[int] | None = None,
    language: str | None = None,
    seed: int = 0,
    settings: WindowSettings | None = None,
    unmasked: Sequence[ClipTranscript] | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> WindowStudy:
    """Transcribe clips while every encoder frame may attend only to frames at most k away.

    Args:
        model: Any Whisper.
        clips: One clip or several: clips, arrays at 16 kHz or paths.
        settings: The half widths, where they apply, and the language (by default each clip's own, or else the one that
            the model detects). The transcripts without a mask always come first.
        unmasked: What `hear` returned for these clips without a mask, if it is known already.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            transcriptions done and the number in all.
        ks: Frames (20 ms) on either side that a frame may attend to.
        blocks: Limit only these encoder blocks; all by default.
        heads: Limit only these heads of those blocks; all by default.
        language: The language spoken (en, de, ...); detected by the model by default.
        seed: Seed of everything that is drawn at random.

    Returns:
        Transcripts, error rates against the unmasked transcript and against the clips' own transcripts.

    Raises:
        InputError: A setting is out of bounds, there is no k, there are no clips, a clip cannot be read, or `unmasked`
            is of other clips.
        SiteError: A block or head is not in the model.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, "Constraining the attention window".
    """

def word_sources(
    model: Whisper,
    clips: Iterable[Sound],
    *,
    stretch_s: float = 0.2,
    step_s: float = 0.1,
    batch_size: int | None = None,
    exact: bool = False,
    alignment_heads: Iterable[tuple[int, int]] | None = None,
    language: str | None = None,
    tolerance_s: float = 0.05,
    seed: int = 0,
    settings: WordSourcesSettings | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> WordScores:
    """Score each way of tracing words over clips with word times.

    Words that are not transcribed as labelled are counted and left out, as are clips without word times.

    Args:
        model: Any Whisper with a tokenizer.
        clips: Clips with words in time.
        settings: How words are traced and scored.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called after each clip
            with the number done and the number in all (0 when it is not known).
        stretch_s: How much sound to silence at a time.
        step_s: From one silenced stretch to the next.
        batch_size: Silenced windows run at a time; 1 on the CPU, else 16.
        exact: Recompute padding frames for each silenced stretch, too; several times slower.
        alignment_heads: Cross-attention heads to follow, as (block, head); the model's by default.
        language: The language spoken (en, de, ...); detected by the model by default.
        tolerance_s: Over a corpus: a peak this near to a word counts as a hit.
        seed: Seed of everything that is drawn at random.

    Returns:
        Every word's scores, and their means.

    Raises:
        InputError: A setting cannot be used, or no clip has words in time.
    """

def words(
    model: Whisper,
    clip: Sound,
    *,
    stretch_s: float = 0.2,
    step_s: float = 0.1,
    batch_size: int | None = None,
    exact: bool = False,
    alignment_heads: Iterable[tuple[int, int]] | None = None,
    language: str | None = None,
    settings: WordsSettings | None = None,
    word: int | str | None = None,
    window: int | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> WordSources:
    """Find the frames that each word of a recording's transcript came from, in three ways.

    Attention: where the alignment heads look when the word is predicted; the stretch is that of the alignment (dynamic
    time warping). Relevance: gradient-weighted attention carried through the decoder's self-attention, its
    cross-attention and the encoder. Silencing (`perturbation`): by how much the log-probability of the word falls,
    given all words before it, when a stretch of the log-mel is silenced; each frame stands for the stretch around it.

    Args:
        model: Any Whisper with a tokenizer.
        clip: A clip, an array at 16 kHz or a path. Longer than a window, it is taken window by window, side by side.
        settings: How words are traced. By default the padding later than half a second after the recording keeps the
            encoding that it has when nothing is silenced, which is several times as fast as `exact`. The language is
            by default the clip's, or the one that the model detects in the first window traced.
        word: The word to draw large: its text if it occurs once, or its number; by default the one that silence hurts
            most.
        window: Trace this window alone; all by default.
        progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the number of
            stretches silenced and the number in all.
        stretch_s: How much sound to silence at a time.
        step_s: From one silenced stretch to the next.
        batch_size: Silenced windows run at a time; 1 on the CPU, else 16.
        exact: Recompute padding frames for each silenced stretch, too; several times slower.
        alignment_heads: Cross-attention heads to follow, as (block, head); the model's by default.
        language: The language spoken (en, de, ...); detected by the model by default.

    Returns:
        Words and curves. A recording in which the model writes nothing has none.

    Raises:
        InputError: The word or window is not there, or a setting cannot be used.
        AudioError: The recording cannot be used.
        ModelError: The model has no tokenizer.

    Source:
        Chefer, Gur and Wolf 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
        Transformers" (arXiv 2103.15679), for relevance; OpenAI Whisper, `whisper/timing.py`, for alignment; Zeiler and
        Fergus 2014 (arXiv 1311.2901) for silencing. The encoder's part is that of "Interpreting OpenAI's Whisper"
        (Ellena Reid, 2023), claim 1.
    """
