"""Learn linear probes and score them on held-out groups. Knows rows, classes and groups, not sound.

scikit-learn does the learning. Costs, for each fold, one fit for every strength of the regularisation and inner fold on
at most 4,000 rows, one on all rows, and one on shuffled labels. Memory: a few copies of the rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from otoscope.base.errors import InputError
from otoscope.base.numbers import Interval
from otoscope.study.estimates import bootstrap

PENALTIES = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""Strengths of the L2 penalty per row, strongest first: among equals the strongest is taken."""
INNER_FOLDS = 3
SELECT_ROWS = 4_000
"""The penalty is chosen on at most this many rows, drawn fairly; a penalty per row means the same on all rows."""
MOST_STEPS = 300
TOLERANCE = 1e-3
GROUP_SHUFFLES = 5
"""Where whole groups have one label, there are few labels to shuffle, and this many shuffles are pooled."""


@dataclass(frozen=True)
class Linear:
    """A linear classifier in the units of the site."""

    weights: Float32[np.ndarray, "class d"]  # of each class; zeros for one that was not learnt
    intercepts: Float32[np.ndarray, " class"]  # -inf for a class that was not learnt
    penalty: float  # per row, chosen by cross-validation
    has_converged: bool  # whether the solver reached its tolerance

    def predict(self, x: Float[np.ndarray, "row d"]) -> Int[np.ndarray, " row"]:
        """Return the class with the highest score of each row."""
        return np.argmax(x @ self.weights.T + self.intercepts, axis=1)


@dataclass(frozen=True)
class Folds:
    """Which rows are learnt from and which are predicted, in turn."""

    parts: tuple[tuple[np.ndarray, np.ndarray], ...]  # for each fold the rows to learn from and those to predict

    @property
    def predicted(self) -> np.ndarray:
        """All rows that are predicted, each once, in the order of the folds."""
        return np.concatenate([test for _, test in self.parts])


@dataclass(frozen=True)
class ProbeScore:
    """How often a probe is right, with 95% intervals."""

    accuracy: Interval  # share of rows
    balanced: Interval  # mean over classes of the share of a class's rows

    def to_json(self) -> dict[str, Any]:
        """Return both by name."""
        return {"accuracy": self.accuracy.to_json(), "balanced_accuracy": self.balanced.to_json()}


@dataclass(frozen=True, eq=False)
class Fitted:
    """The probe of one site and its scores."""

    probe: Linear  # learnt from all rows, for its directions; it is not what was scored
    confusion: Int[np.ndarray, "class class"]  # held-out rows by true class and predicted class
    score: ProbeScore  # on held-out rows
    shuffled: ProbeScore  # the same, after learning from shuffled labels
    penalties: tuple[float, ...]  # chosen in each fold
    n_unconverged: int  # fits of folds whose solver did not reach its tolerance


def folds_of(y: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> Folds:
    """Divide groups into folds, with classes spread evenly: each is predicted once, by a probe that never saw it.

    There are fewer folds where there are fewer groups.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise InputError(
            "all rows are of one group: a probe learns from some and is scored on others. Give more speakers or clips."
        )
    parts = tuple(_split(y, groups, min(n_folds, n_groups), seed))
    for train, _ in parts or ((np.arange(0), np.arange(0)),):
        if len(np.unique(y[train])) < 2:
            raise InputError(
                f"one of {max(len(parts), 2)} folds leaves a single class to learn from: too few speakers or clips "
                "have each label. Give more of them, or more folds."
            )
    return Folds(parts)


def _split(y: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    n_folds = min(n_folds, int(np.bincount(y).max()))  # scikit-learn wants one class at least in every fold
    if n_folds < 2:
        return
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with fewer rows than folds
        for train, test in splitter.split(np.zeros(len(y)), y, groups):
            if len(train) and len(test):
                yield train, test


def fit(
    x: Float32[np.ndarray, "row d"],
    y: Int[np.ndarray, " row"],
    groups: Int[np.ndarray, " row"],
    folds: Folds,
    n_classes: int,
    *,
    classifier: str = "logistic",
    seed: int = 0,
) -> Fitted:
    """Learn and score a probe of one site.

    `x`: the rows; standardised by those that are learnt from.
    `classifier`: `logistic` (multinomial) or `ridge` (least squares; faster, but worse for many classes).
    Returns the scores and a probe of all rows.
    """
    predictions, shuffled, penalties, n_unconverged = [], [], [], 0
    random = np.random.default_rng(seed)
    for train, test in folds.parts:
        penalty = _choose_penalty(x, y, groups, train, n_classes, classifier, seed)
        linear = learn(x[train], y[train], n_classes, penalty, classifier)
        predictions.append(linear.predict(x[test]))
        for dealt in _shuffles(y[train], groups[train], random):
            shuffled.append((test, learn(x[train], dealt, n_classes, penalty, classifier).predict(x[test])))
        penalties.append(penalty)
        n_unconverged += not linear.has_converged
    at, predicted = folds.predicted, np.concatenate(predictions)
    others, from_shuffled = (np.concatenate([part[i] for part in shuffled]) for i in (0, 1))
    learnt = np.unique(np.concatenate([train for train, _ in folds.parts]))
    everything = _choose_penalty(x, y, groups, learnt, n_classes, classifier, seed)
    confusion = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(confusion, (y[at], predicted), 1)
    return Fitted(
        learn(x[learnt], y[learnt], n_classes, everything, classifier),
        confusion,
        score(y[at], predicted, groups[at], n_classes, seed),
        score(y[others], from_shuffled, groups[others], n_classes, seed),
        tuple(penalties),
        n_unconverged,
    )


def majority(y: np.ndarray, groups: np.ndarray, folds: Folds, n_classes: int, seed: int = 0) -> ProbeScore:
    """Score the baseline that always predicts the commonest class of the rows that are learnt from."""
    commonest = [np.full(len(test), np.bincount(y[train]).argmax()) for train, test in folds.parts]
    at = folds.predicted
    return score(y[at], np.concatenate(commonest), groups[at], n_classes, seed)


def learn(x: np.ndarray, y: np.ndarray, n_classes: int, penalty: float, classifier: str) -> Linear:
    """Learn a probe from all given rows, with an L2 penalty per row on standardised values.

    If there is only one class, it is always predicted.

    Source: scikit-learn, `LogisticRegression` (lbfgs) and `RidgeClassifier`; Alain and Bengio 2016, "Understanding
    intermediate layers using linear classifier probes" (arXiv 1610.01644).
    """
    scaler = StandardScaler().fit(x)
    kind: Any
    if classifier == "ridge":
        kind = RidgeClassifier(alpha=penalty * len(x))
    else:
        kind = LogisticRegression(C=1 / (penalty * len(x)), max_iter=MOST_STEPS, tol=TOLERANCE)
    classes = np.unique(y)
    weights = np.zeros((n_classes, x.shape[1]))
    intercepts = np.full(n_classes, -np.inf)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if len(classes) > 1:
            kind.fit(scaler.transform(x), y)
    if len(classes) == 1:
        intercepts[classes] = 0
    elif len(classes) == 2:  # one row of weights, for the second class
        weights[classes] = np.array([[-0.5], [0.5]]) * kind.coef_
        intercepts[classes] = np.array([-0.5, 0.5]) * kind.intercept_
    else:  # what all classes share distinguishes none of them
        weights[classes] = kind.coef_ - kind.coef_.mean(axis=0)
        intercepts[classes] = kind.intercept_ - kind.intercept_.mean()
    weights /= scaler.scale_
    intercepts -= weights @ scaler.mean_
    has_converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return Linear(weights.astype(np.float32), intercepts.astype(np.float32), penalty, has_converged)


def score(y: np.ndarray, predicted: np.ndarray, groups: np.ndarray, n_classes: int, seed: int = 0) -> ProbeScore:
    """Score the predicted classes of rows, with the intervals of `bootstrap` over groups."""
    names, group = np.unique(groups, return_inverse=True)
    n = np.zeros((len(names), n_classes))
    right = np.zeros((len(names), n_classes))
    np.add.at(n, (group, y), 1)
    np.add.at(right, (group, y), y == predicted)
    scores = bootstrap(np.concatenate([n, right], axis=1), _both_accuracies, seed=seed)
    return ProbeScore(scores.at(0), scores.at(1))


def _both_accuracies(sums: np.ndarray) -> np.ndarray:
    n, right = np.split(sums, 2, axis=-1)
    return np.stack([_accuracy(n, right), _balanced(n, right)], axis=-1)


def _accuracy(n: np.ndarray, right: np.ndarray) -> np.ndarray:
    return right.sum(axis=-1) / n.sum(axis=-1)


def _balanced(n: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Average the shares of the classes that occur."""
    is_there = n > 0
    shares = np.divide(right, n, out=np.zeros_like(right), where=is_there)
    return shares.sum(axis=-1) / is_there.sum(axis=-1)


def _choose_penalty(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, train: np.ndarray, n_classes: int, classifier: str, seed: int
) -> float:
    """Find the penalty with which most rows of groups held out from the training rows are predicted correctly."""
    if len(train) > SELECT_ROWS:
        train = np.sort(np.random.default_rng(seed).choice(train, SELECT_ROWS, replace=False))
    n_groups = len(np.unique(groups[train]))
    if n_groups < 2:
        return PENALTIES[len(PENALTIES) // 2]
    right = np.zeros(len(PENALTIES))
    for inner, outer in _split(y[train], groups[train], min(INNER_FOLDS, n_groups), seed):
        rows, held = train[inner], train[outer]
        for number, penalty in enumerate(PENALTIES):
            predicted = learn(x[rows], y[rows], n_classes, penalty, classifier).predict(x[held])
            right[number] += (predicted == y[held]).sum()
    return PENALTIES[int(right.argmax()) if right.any() else len(PENALTIES) // 2]


def _shuffles(y: np.ndarray, groups: np.ndarray, random: np.random.Generator) -> Sequence[np.ndarray]:
    """Shuffle labels among rows, or among whole groups where all rows of a group have one label."""
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    of_group = y[first]
    if not (of_group[group] == y).all():
        return [random.permutation(y)]
    return [of_group[random.permutation(len(names))][group] for _ in range(GROUP_SHUFFLES)]
