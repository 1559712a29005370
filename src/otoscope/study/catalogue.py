"""Every command and every experiment, declared once: commands, public names and the parts of a study follow from it.

To add an experiment, write its folder and add a record here: see docs/extending.md. Imports neither torch nor numpy.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from otoscope.base.settings import Settings, setting_fields
from otoscope.study import part_settings as table
from otoscope.study.part_settings import Clips, NClips

PRESETS = ("standard", "quick", "full", "demo")
"""Sizes of a study: the usual one; a quick check that takes minutes; as much data as still narrows the intervals; and
one for the package's own model and clips, which takes minutes on two cores."""


@dataclass(frozen=True)
class Cost:
    """What a part of a study takes: runs of the model, and seconds on two cores."""

    start_s: float = 0.0  # to start, and to draw pictures
    encodings: float = 0.0  # windows encoded, for each clip
    transcriptions: float = 0.0  # windows transcribed, for each clip
    encodings_a_word: float = 0.0  # for each word of a clip
    transcriptions_a_word: float = 0.0
    feature_s: float = 0.0  # for each feature
    window_feature_s: float = 0.0  # for each window and feature
    frame_feature_s: float = 0.0  # for each frame and feature
    sound_s: float = 0.0  # for each second of sound


@dataclass(frozen=True)
class Part:
    """An experiment as a part of a whole study."""

    name: str  # its folder, and its table in study.toml
    question: str
    standard: Settings  # its settings in a study of the usual size
    quick: Settings | None = None  # in the other sizes; None for the usual settings
    full: Settings | None = None
    demo: Settings | None = None
    answer: str | Callable[..., None] | None = (
        None  # `module:function` of (context, folder); None: the experiment's own
    )
    cost: Cost | None = None  # None where the plan works it out
    needs: tuple[str, ...] = ()  # labels that the corpus must have in time: words, phones
    after: tuple[str, ...] = ()  # parts that it needs
    after_unless: str | None = None  # a setting with which it does not need them
    resumes: bool = False  # writes straight to its folder, because it resumes by itself what was stopped there
    table: str | None = None  # the part whose table of settings it shares

    def settings(self, preset: str) -> Settings:
        """Return its settings in a study of one of `PRESETS`."""
        return getattr(self, preset) or self.standard

    def run(self, context: Any, folder: Any) -> None:
        """Measure, and write the result to the folder."""
        assert self.answer is not None, "parts() gives every part an answer"
        (loaded(self.answer) if isinstance(self.answer, str) else self.answer)(context, folder)


@dataclass(frozen=True)
class Experiment:
    """A command, with what it measures and how a whole study uses it."""

    name: str  # the command
    help: str  # a line in the list of commands
    command: str | None = None  # `module:function` or `module:app`; None: made from `measure` and `settings`
    measure: str | None = None  # `module:function` of (model, clips, settings=, progress=), which gives a Result
    settings: type[Settings] | None = None  # of `measure`
    public: Mapping[str, str] = field(default_factory=dict)  # names in `otoscope` to their modules
    part: Part | None = None
    more_parts: tuple[Part, ...] = ()


def parts() -> tuple[Part, ...]:
    """Return the parts of a study, in their order."""
    return tuple(
        part if part.answer is not None else dataclasses.replace(part, answer=_answer(experiment))
        for experiment in EXPERIMENTS
        for part in (*([experiment.part] if experiment.part else []), *experiment.more_parts)
    )


def part_names() -> tuple[str, ...]:
    """Name the parts of a study, in their order."""
    return tuple(part.name for part in parts())


def loaded(name: str) -> Any:
    """Import what `module:name` stands for."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def with_clips(settings: type[Settings], clips: int) -> Settings:
    """Make a part's settings from an experiment's: with `clips`, without the language and seed that all parts share."""
    shared = [item for item in setting_fields(settings) if item.name not in ("language", "seed")]
    hints = settings.__annotations__
    fields = [(item.name, hints[item.name], item.default) for item in shared]
    made = dataclasses.make_dataclass(
        f"{settings.__name__}Part", [("clips", NClips), *fields], bases=(Settings,), frozen=True
    )
    made.__module__ = settings.__module__  # where its annotations are understood
    result: Settings = made(clips)
    return result


def _answer(experiment: Experiment) -> Callable[..., None]:
    """Make a part's function from an experiment's: over clips of the corpus, saved to the part's folder."""
    measure, settings, part = experiment.measure, experiment.settings, experiment.part
    assert measure is not None and settings is not None and part is not None, "a part without an answer measures"

    def answer(context: Any, out: Any) -> None:
        part_settings = getattr(context.settings, part.name)
        clips = (context.clips_with_words if "words" in part.needs else context.clips)(part_settings.clips)
        known = {item.name for item in setting_fields(settings)}
        values = {name: value for name, value in vars(part_settings).items() if name in known}
        values |= {name: getattr(context, name) for name in ("language", "seed") if name in known}
        result = loaded(measure)(
            context.model, clips, settings=settings(**values), progress=context.progress(part.name)
        )
        result.save(out)

    return answer


_WHOLE = "otoscope.study.whole"

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "transcribe",
        "Transcribe recordings.",
        "otoscope.cli.transcribe:transcribe",
        part=Part(
            "transcripts",
            "What does the model hear?",
            Clips(200),
            Clips(24),
            Clips(2000),
            Clips(144),
            answer=f"{_WHOLE}.transcripts:transcripts",
            cost=Cost(0.3, transcriptions=1.6),
        ),
    ),
    Experiment("models", "List the Whispers on this machine, and whether they load.", "otoscope.cli.models:models"),
    Experiment("sites", "List the sites of a model: what can be read in it.", "otoscope.cli.sites:sites"),
    Experiment("activations", "Write the activations of sites to safetensors.", "otoscope.cli.activations:activations"),
    Experiment("corpus", "Describe a corpus; find its word times.", "otoscope.cli.corpus:app"),
    Experiment(
        "relevance",
        "Map which frames each encoder frame listens to.",
        "otoscope.cli.relevance:relevance",
        public=dict.fromkeys(("Relevance", "relevance"), "otoscope.study.relevance.experiment"),
        part=Part(
            "relevance",
            "How much of the relevance comes from nearby frames?",
            table.RelevancePart(),
            table.RelevancePart(6),
            table.RelevancePart(300),
            table.RelevancePart(48),
            answer=f"{_WHOLE}.encoder_parts:relevance_shares",
            cost=Cost(1.5, encodings=6.1),
        ),
    ),
    Experiment(
        "locality",
        "Measure how far every encoder head listens.",
        "otoscope.cli.locality:locality",
        public=dict.fromkeys(("Locality", "locality"), "otoscope.study.locality.experiment"),
        part=Part(
            "locality",
            "How far does each head listen?",
            Clips(48),
            Clips(8),
            Clips(300),
            Clips(72),
            answer=f"{_WHOLE}.encoder_parts:heads",
            cost=Cost(0.4, encodings=2.3),
        ),
    ),
    Experiment(
        "window",
        "Transcribe while frames attend only to near frames.",
        "otoscope.cli.window:window",
        public=dict.fromkeys(("WindowStudy", "window"), "otoscope.study.window.experiment"),
        part=Part(
            "window",
            "What is transcribed when frames attend only to k neighbours?",
            table.WindowPart(),
            table.WindowPart(12, (75, 20, 10), head_clips=6, heads=8),
            table.WindowPart(300, (250, 150, 100, 75, 50, 35, 20, 10, 5, 2), head_clips=48, heads=640),
            table.WindowPart(24),
            answer=f"{_WHOLE}.encoder_parts:windows",
            cost=Cost(0.8, transcriptions=1.0),
        ),
    ),
    Experiment(
        "splice",
        "Transcribe with words' frames replaced by padding.",
        "otoscope.cli.splice:splice",
        public={
            **dict.fromkeys(("Splice", "splice"), "otoscope.study.splice.experiment"),
            **dict.fromkeys(("SpliceWords", "splice_words"), "otoscope.study.splice.words"),
        },
        part=Part(
            "splice",
            "If a word's frames are replaced, does exactly that word disappear?",
            Clips(48),
            Clips(12),
            Clips(200),
            Clips(36),
            answer=f"{_WHOLE}.encoder_parts:splices",
            cost=Cost(0.3, transcriptions=1.35, transcriptions_a_word=0.23),
            needs=("words",),
        ),
    ),
    Experiment(
        "sae",
        "Train, score and convert dictionaries of features.",
        "otoscope.cli.sae:app",
        public={
            "Dictionary": "otoscope.sae.dictionary",
            **dict.fromkeys(("load_dictionary", "save_dictionary"), "otoscope.sae.files"),
            **dict.fromkeys(("score_dictionaries", "train_dictionaries"), "otoscope.study.dictionaries.experiment"),
            "DictionaryScores": "otoscope.study.dictionaries.results",
            "DictionaryTraining": "otoscope.study.dictionaries.train",
        },
        part=Part(
            "dictionaries",
            "Which sparse features is each block made of?",
            table.DictionariesPart(),
            table.DictionariesPart(expansion=4.0, k=16, frames=52_000),
            table.DictionariesPart(expansion=16.0, frames=20_000_000),
            table.DictionariesPart(expansion=4.0, k=16, frames=105_000),
            answer=f"{_WHOLE}.feature_parts:dictionaries",
            resumes=True,
        ),
    ),
    Experiment(
        "harvest",
        "Collect what drives every feature, over a corpus.",
        "otoscope.cli.harvest:harvest",
        public={
            **dict.fromkeys(("HarvestRun", "open_run"), "otoscope.harvest.opened"),
            "run_harvest": "otoscope.harvest.run",
            "HarvestSettings": "otoscope.harvest.settings",
        },
        part=Part(
            "harvest",
            "What drives every feature?",
            table.HarvestPart(),
            table.HarvestPart(bases=("neuron", "random", "sae"), hours=0.12),
            table.HarvestPart(hours=None),
            answer=f"{_WHOLE}.feature_parts:harvest",
            cost=Cost(feature_s=1.2e-3, window_feature_s=4.7e-6, frame_feature_s=9e-9),
            resumes=True,
        ),
    ),
    Experiment(
        "phones",
        "Score which phone each feature of a harvest detects.",
        "otoscope.cli.phones:phones",
        public=dict.fromkeys(("PhoneSettings", "PhoneStudy", "phones"), "otoscope.study.phones.experiment"),
        part=Part(
            "phones",
            "Which phone does each feature detect?",
            table.PhonesPart(),
            answer=f"{_WHOLE}.feature_parts:phones",
            cost=Cost(feature_s=0.5e-3),
            needs=("phones",),
            after=("harvest",),
        ),
    ),
    Experiment(
        "examples",
        "Show or play what drives the features of a harvest most.",
        "otoscope.cli.examples:examples",
        public=dict.fromkeys(("Examples", "examples"), "otoscope.study.examples.experiment"),
        part=Part(
            "sounds",
            "What do the examples sound like?",
            table.ExamplesPart(),
            table.ExamplesPart(top=10, samples=1),
            None,
            table.ExamplesPart(top=10, samples=2),
            answer=f"{_WHOLE}.feature_parts:sounds",
            cost=Cost(1.0, sound_s=7e-3),
            after=("harvest",),
            table="examples",
        ),
        more_parts=(
            Part(
                "traces",
                "How does the strength change over time around the examples?",
                table.ExamplesPart(),
                table.ExamplesPart(top=10, samples=1),
                None,
                table.ExamplesPart(top=10, samples=2),
                answer=f"{_WHOLE}.feature_parts:traces",
                cost=Cost(feature_s=0.2e-3, window_feature_s=2.3e-6),
                after=("harvest",),
                table="examples",
            ),
            Part(
                "scores",
                "How good are the dictionaries?",
                table.ScoresPart(),
                table.ScoresPart(12, 10_000),
                table.ScoresPart(500, 2_000_000),
                table.ScoresPart(24, 26_000),
                answer=f"{_WHOLE}.feature_parts:scores",
                cost=Cost(0.7),
                after=("dictionaries",),
            ),
        ),
    ),
    Experiment(
        "bigrams",
        "Show what the decoder says next with no sound at all.",
        "otoscope.cli.bigrams:bigrams",
        public={
            **dict.fromkeys(("Bigrams", "bigrams"), "otoscope.study.bigrams.experiment"),
            **dict.fromkeys(("BigramAgreement", "bigram_agreement"), "otoscope.study.bigrams.agreement"),
            **dict.fromkeys(("KnownBigrams", "bigrams_of_text", "bigrams_of_words"), "otoscope.study.bigrams.known"),
        },
        part=Part(
            "bigrams",
            "What does the decoder say next with no sound?",
            table.BigramsPart(),
            demo=table.BigramsPart(("The traffic", "Thank")),
            answer=f"{_WHOLE}.decoder_parts:bigrams",
            cost=Cost(1.5, transcriptions=2.5),  # as if of one clip
            after=("transcripts",),
            after_unless="prompts",
        ),
    ),
    Experiment(
        "neighbours",
        "List the nearest tokens, and how alike they sound.",
        "otoscope.cli.neighbours:neighbours",
        public={
            **dict.fromkeys(("Neighbours", "neighbours"), "otoscope.study.neighbours.experiment"),
            **dict.fromkeys(("SoundsAlike", "sounds_alike"), "otoscope.study.neighbours.sounds_alike"),
        },
        part=Part(
            "neighbours",
            "Which tokens lie nearest, and do they sound alike?",
            table.NeighboursPart(),
            demo=table.NeighboursPart(("rug", "UK")),
            answer=f"{_WHOLE}.decoder_parts:neighbours",
            cost=Cost(2.5, transcriptions=3.0),  # as if of one clip
            after=("transcripts",),
            after_unless="words",
        ),
    ),
    Experiment(
        "lens",
        "Show what each decoder block would already say.",
        "otoscope.cli.lens:lens",
        public={
            **dict.fromkeys(("Lens", "lens"), "otoscope.study.lens.experiment"),
            **dict.fromkeys(("LensCurve", "lens_curve"), "otoscope.study.lens.curve"),
            **dict.fromkeys(("EncoderLens", "encoder_lens"), "otoscope.study.lens.encoder"),
            **dict.fromkeys(("HeadLens", "head_lens"), "otoscope.study.lens.heads"),
            **dict.fromkeys(("HeadLensMean", "head_lens_mean"), "otoscope.study.lens.heads_mean"),
            **dict.fromkeys(("LanguageLens", "language_lens"), "otoscope.study.lens.languages"),
        },
        part=Part(
            "lens",
            "From which decoder block on is the next token the likeliest?",
            Clips(48),
            Clips(8),
            Clips(300),
            Clips(36),
            answer=f"{_WHOLE}.decoder_parts:lens",
            cost=Cost(0.9, transcriptions=2.75),
        ),
    ),
    Experiment(
        "words",
        "Find the frames that each word came from, in three ways.",
        "otoscope.cli.words:words",
        public={
            **dict.fromkeys(("WordSources", "words"), "otoscope.study.words.experiment"),
            **dict.fromkeys(("WordScores", "word_sources"), "otoscope.study.words.scores"),
        },
        part=Part(
            "words",
            "Which frames did each word come from?",
            Clips(16),
            Clips(6),
            Clips(100),
            Clips(12),
            answer=f"{_WHOLE}.encoder_parts:words",
            cost=Cost(0.5, encodings=3.3, transcriptions=1.0, encodings_a_word=1.8),
            needs=("words",),
        ),
        more_parts=(
            Part(
                "listening",
                "How is one recording heard, in every way?",
                table.ListeningPart(),
                table.ListeningPart(1, (75, 20, 10)),
                table.ListeningPart(24),
                table.ListeningPart(4),
                answer=f"{_WHOLE}.encoder_parts:listening",
                cost=Cost(0.7, encodings=6.0, transcriptions=1.0),
            ),
        ),
    ),
    Experiment(
        "segments",
        "Find where the decoder is most certain of a word.",
        "otoscope.cli.segments:segments",
        public={
            "segments": "otoscope.study.segments.experiment",
            **dict.fromkeys(("PushedUp", "pushed_up"), "otoscope.study.segments.pushed"),
            "Segments": "otoscope.study.segments.result",
        },
    ),
    Experiment(
        "probe",
        "Train linear classifiers on a site.",
        "otoscope.cli.probe:probe",
        public={
            **dict.fromkeys(("probe", "probe_saved"), "otoscope.study.probe.experiment"),
            "Probe": "otoscope.study.probe.result",
        },
    ),
    Experiment(
        "steer",
        "Transcribe with directions added or heads removed.",
        "otoscope.cli.steer:steer",
        public={
            "Direction": "otoscope.study.direction",
            **dict.fromkeys(("ClassMeans", "class_means"), "otoscope.study.steer.class_means"),
            **dict.fromkeys(("Steer", "steer"), "otoscope.study.steer.experiment"),
            **dict.fromkeys(("HeadAblation", "ablate_heads"), "otoscope.study.steer.head_ablation"),
            **dict.fromkeys(("PhoneSwaps", "steer_phones"), "otoscope.study.steer.phones"),
            **dict.fromkeys(("SteerSounds", "steer_sounds"), "otoscope.study.steer.sounds"),
            **dict.fromkeys(("add_direction", "scale_feature", "scale_head"), "otoscope.study.steer.steering"),
            "Where": "otoscope.study.steer.where",
        },
    ),
    Experiment(
        "dream",
        "Make the sound that drives a feature most.",
        "otoscope.cli.dream:dream",
        public={"dream": "otoscope.study.dream.experiment", "Dream": "otoscope.study.dream.result"},
    ),
    Experiment(
        "study",
        "Run the whole study over a corpus: verdicts and pages.",
        "otoscope.cli.study:study",
        public={
            **dict.fromkeys(("Study", "run_study"), "otoscope.study.whole.experiment"),
            "StudySettings": "otoscope.study.whole.settings",
            **dict.fromkeys(("Listening", "listen"), "otoscope.study.listening.experiment"),
        },
    ),
    Experiment("demo", "Run the whole study on the demo model and its clips.", "otoscope.cli.demo:demo"),
    Experiment("atlas", "Make or serve the pages of a study.", "otoscope.cli.atlas:app"),
)
