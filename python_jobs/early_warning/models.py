"""Models of risk: a readable tree, a logistic regression, gradient boosting.

What is chosen or calibrated is chosen and calibrated on the years to learn from: predictions of
each student come from models that have not seen that student (GroupKFold).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from python_jobs.early_warning.data import FEATURES, LABEL, matrix

Array = npt.NDArray[Any]
SEED = 7
TREE_DEPTH = 3
FOLDS = 5
TREE, LOGISTIC, BOOSTING = "decision_tree", "logistic_regression", "gradient_boosting"
PARAMETERS: dict[str, dict[str, Any]] = {
    TREE: {"max_depth": TREE_DEPTH, "min_samples_leaf": 20, "random_state": SEED},
    LOGISTIC: {"C": 0.05, "max_iter": 1000, "random_state": SEED},
    BOOSTING: {
        "max_depth": 3,
        "learning_rate": 0.05,
        "max_iter": 120,
        "min_samples_leaf": 40,
        "l2_regularization": 5.0,
        "early_stopping": False,
        "random_state": SEED,
    },
}


def new_model(name: str) -> Any:
    """Return an untrained model; features that are not known take the median, except in boosting,
    which learns what not knowing means.
    """
    parameters = PARAMETERS[name]
    if name == TREE:
        return make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            DecisionTreeClassifier(**parameters),
        )
    if name == LOGISTIC:
        return make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(**parameters),
        )
    return HistGradientBoostingClassifier(**parameters)


@dataclass
class Trained:
    """A model with its calibration: risk = 1 / (1 + exp(-(slope * log odds + intercept)))."""

    name: str
    features: list[str]
    model: Any
    slope: float = 1.0
    intercept: float = 0.0
    validation_auc: float = float("nan")

    def raw(self, frame: pd.DataFrame) -> Array:
        """Return the model's own probability of the outcome; shape (rows,)."""
        risk: Array = self.model.predict_proba(matrix(frame, self.features))[:, 1]
        return risk

    def risk(self, frame: pd.DataFrame) -> Array:
        """Return the calibrated probability; its order is that of the raw one."""
        return self.calibrated(self.raw(frame))

    def calibrated(self, raw: Array) -> Array:
        return 1 / (1 + np.exp(-(self.slope * log_odds(raw) + self.intercept)))


def log_odds(risk: Array) -> Array:
    """Return log(p / (1 - p)), with p kept within [0.0001, 0.9999]."""
    kept = np.clip(risk, 1e-4, 1 - 1e-4)
    odds: Array = np.log(kept / (1 - kept))
    return odds


def fitted(name: str, x: Array, y: Array) -> Any:
    """Return a model that has learned; a feature that is never known is 0 for it."""
    return new_model(name).fit(np.where(np.isnan(x).all(axis=0), np.float32(0), x), y)


def out_of_fold(name: str, train: pd.DataFrame, label: str, features: list[str]) -> Array:
    """Return each row's probability by a model that has not seen the row's student."""
    x, y = matrix(train, features), train[label].to_numpy(int)
    found = np.full(len(train), np.nan)
    folds = min(FOLDS, train["student_id"].nunique())
    for fit, held_out in GroupKFold(folds).split(x, y, train["student_id"]):
        model = fitted(name, x[fit], y[fit])
        found[held_out] = model.predict_proba(x[held_out])[:, 1]
    return found


def calibration_line(raw: Array, label: Array) -> tuple[float, float]:
    """Return slope and intercept of the logistic recalibration of probabilities.

    Source: Platt (1999), Probabilistic outputs for support vector machines; slope 1 and intercept 0
    say that nothing has to be corrected.
    """
    line = LogisticRegression(C=1e6).fit(log_odds(raw).reshape(-1, 1), label)
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def train_model(
    name: str, train: pd.DataFrame, label: str = LABEL, features: list[str] | None = None
) -> Trained:
    """Fit a model on all rows of the years to learn from, and calibrate it on held-out students."""
    features = features or FEATURES
    raw = out_of_fold(name, train, label, features)
    y = train[label].to_numpy(int)
    slope, intercept = calibration_line(raw, y)
    model = fitted(name, matrix(train, features), y)
    return Trained(
        name,
        list(features),
        model,
        slope,
        intercept,
        float(roc_auc_score(y, raw)),
    )


Fit = Callable[[str, pd.DataFrame], Any]


def train_all(train: pd.DataFrame, label: str = LABEL) -> dict[str, Trained]:
    return {name: train_model(name, train, label) for name in PARAMETERS}


def best_of(models: Mapping[str, Trained]) -> Trained:
    """Return the model with the greatest AUC on held-out students of the years to learn from."""
    return max(models.values(), key=lambda one: one.validation_auc)
