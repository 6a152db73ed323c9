"""Why a model says so: Shapley values, and reasons in words that a counsellor can check."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shap

from python_jobs.early_warning.data import matrix
from python_jobs.early_warning.models import BOOSTING, LOGISTIC, Trained

Array = npt.NDArray[Any]
REASONS = 3
NO_REASON = ("courses", "grade")  # topics: course load and homework set, and the grade level
EXPLAINED_ROWS = 20_000  # of the global picture; reasons of students are made for all


@dataclass(frozen=True)
class Wording:
    """How a feature is said: its topic, the sentence with {value}, and how the value is shown.

    worse: 1 when more of it is worse, -1 when less is, 0 when neither is.
    """

    topic: str
    text: str
    show: str = "{:.0f}"
    scale: float = 1.0
    worse: int = -1

    def is_adverse(self, values: Array, typical: float) -> Array:
        """Return whether each value, as it is shown, lies on the worse side of the typical one."""
        digits = 2 if ".2f" in self.show else 0
        gap = np.round(self.scale * values, digits) - np.round(self.scale * typical, digits)
        adverse: Array = self.worse * gap > 0
        return adverse

    def say(self, value: float, typical: float) -> str:
        """Return the reason: the student's value beside the median of all."""
        if np.isnan(value):
            return f"{self.text}: not known"
        shown = self.show.format(self.scale * value)
        return f"{self.text}: {shown} (usual {self.show.format(self.scale * typical)})"


def _count(topic: str, text: str, worse: int = 1) -> Wording:
    return Wording(topic, text, worse=worse)


def _percent(topic: str, text: str, worse: int = -1) -> Wording:
    return Wording(topic, text, "{:.0f} %", 100, worse)


def _change(topic: str, text: str) -> Wording:
    return Wording(topic, text, "{:+.0f} points", 100)


def _points(topic: str, text: str) -> Wording:
    return Wording(topic, text, "{:+.0f} points")


WORDS = {
    "grade_number": _count("grade", "Grade level", 0),
    "num_courses": _count("courses", "Courses now", 0),
    "num_homeworks": _count("courses", "Homework due this year", 0),
    "avg_gpa": Wording("grades", "GPA of this term so far", "{:.2f}"),
    "num_changes": _count("changes", "Course changes this year"),
    "num_drops": _count("changes", "Courses dropped this year"),
    "attendance_rate": _percent("attendance", "Attendance this year"),
    "recent_attendance_rate": _percent("attendance", "Attendance on the last 20 school days"),
    "attendance_trend": _change("attendance", "Attendance of late against the year"),
    "tardy_rate": _percent("attendance", "Days late this year", 1),
    "submission_rate": _percent("homework", "Homework handed in this year"),
    "submission_trend": _change("homework", "Homework handed in of late against the year"),
    "on_time_rate": _percent("homework", "Homework on time this year"),
    "on_time_trend": _change("homework", "Homework on time of late against the year"),
    "mean_percent": Wording("grades", "Mean of graded work this year", "{:.0f} %"),
    "mean_percent_trend": Wording(
        "grades", "Graded work of late against the year", "{:+.0f} points"
    ),
    "lowest_course_percent": Wording("lowest", "Lowest course grade now", "{:.0f} %"),
    "num_failing_now": _count("lowest", "Courses failing now"),
    "math_percent": Wording("math", "Math grade now", "{:.0f} %"),
    "math_trend": _points("math", "Math of late against the year"),
    "english_percent": Wording("english", "English grade now", "{:.0f} %"),
    "english_trend": _points("english", "English of late against the year"),
    "science_percent": Wording("science", "Science grade now", "{:.0f} %"),
    "science_trend": _points("science", "Science of late against the year"),
    "social_science_percent": Wording("social", "Social science grade now", "{:.0f} %"),
    "social_science_trend": _points("social", "Social science of late against the year"),
    "prior_gpa": Wording("history", "GPA of all course marks before", "{:.2f}"),
    "num_failures": _count("history", "Courses failed before"),
    "num_school_moves": _count("moves", "Changes of school this year"),
    "num_incidents": _count("behaviour", "Incidents this year"),
    "num_severe_incidents": _count("behaviour", "Severe incidents this year"),
    "num_contacts": _count("contact", "Contacts with guardians this year"),
    "num_views": _count("content", "Course contents opened this year", -1),
    "num_recent_views": _count("content", "Course contents opened of late", -1),
}


def contributions(model: Trained, frame: pd.DataFrame) -> Array:
    """Return Shapley values, (rows, features): log odds; of the tree, probability.

    They add up to the model's output less its mean. Source: Lundberg and Lee (2017), NeurIPS 30;
    the values of trees are exact (Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67).
    """
    x = matrix(frame, model.features)
    *before, last = [step for _, step in getattr(model.model, "steps", [("", model.model)])]
    for step in before:
        x = step.transform(x)
    if model.name == BOOSTING:
        values: Array = shap.TreeExplainer(last).shap_values(x)
        return values
    if model.name == LOGISTIC:
        # Standardised features have mean 0, so the value of a linear model is coefficient x value.
        linear: Array = x * last.coef_[0]
        return linear
    of_classes: Array = shap.TreeExplainer(last).shap_values(x)
    return of_classes[:, :, 1]


def global_importance(model: Trained, values: Array, frame: pd.DataFrame) -> pd.DataFrame:
    """Return feature, mean_absolute_shap, and the correlation of value and contribution."""
    x = matrix(frame, model.features)
    rows = []
    for place, feature in enumerate(model.features):
        known = ~np.isnan(x[:, place])
        one, effect = x[known, place], values[known, place]
        has_spread = len(one) > 2 and one.std() > 0 and effect.std() > 0
        direction = float(np.corrcoef(one, effect)[0, 1]) if has_spread else 0.0
        rows.append((feature, float(np.abs(values[:, place]).mean()), direction))
    table = pd.DataFrame(rows, columns=["feature", "mean_absolute_shap", "direction"])
    return table.sort_values(["mean_absolute_shap", "feature"], ascending=[False, True])


def reasons(model: Trained, frame: pd.DataFrame) -> pd.DataFrame:
    """Return up to three reasons per row that raise its risk, one per topic, the strongest first.

    Beside a student's value stands the median of all rows given, and the value lies on the worse
    side of it. What nobody can act on (NO_REASON) moves the risk but is no reason.
    Columns: student_id, cut_id, reason_rank, feature, feature_value, contribution, reason.
    """
    values = contributions(model, frame)
    topics = [WORDS[name].topic for name in model.features]
    by_topic = pd.DataFrame(values.T).groupby(topics, sort=True).sum()
    topic_names = list(by_topic.index)
    totals = by_topic.to_numpy().T.copy()
    x = matrix(frame, model.features)
    strongest = {
        topic: np.array([place for place, one in enumerate(topics) if one == topic])
        for topic in topic_names
    }
    medians = dict(zip(model.features, np.nan_to_num(np.nanmedian(x, axis=0)), strict=True))
    # What a reason can be: it raises the risk, and a counsellor sees that it is worse than usual.
    told = np.zeros_like(values)
    for place, name in enumerate(model.features):
        adverse = WORDS[name].is_adverse(x[:, place], medians[name])
        told[:, place] = np.where(adverse, np.maximum(values[:, place], 0), 0)
    for place, topic in enumerate(topic_names):
        is_told = (told[:, strongest[topic]] > 0).any(axis=1) & (topic not in NO_REASON)
        totals[~is_told, place] = 0
    order = np.argsort(-totals, axis=1, kind="stable")[:, :REASONS]
    parts = []
    for rank in range(order.shape[1]):
        for number, topic in enumerate(topic_names):
            rows = np.flatnonzero((order[:, rank] == number) & (totals[:, number] > 0))
            if not len(rows):
                continue
            places = strongest[topic]
            chosen = places[told[np.ix_(rows, places)].argmax(axis=1)]
            parts.append(
                pd.DataFrame(
                    {
                        "row": rows,
                        "reason_rank": rank + 1,
                        "feature": [model.features[place] for place in chosen],
                        "feature_value": x[rows, chosen].astype(float),
                        "contribution": totals[rows, number],
                    }
                )
            )
    names = ["row", "reason_rank", "feature", "feature_value", "contribution"]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=names)
    table = table.sort_values(["row", "reason_rank"], ignore_index=True)
    keys = frame[["student_id", "cut_id"]].iloc[table["row"].astype(int)].reset_index(drop=True)
    texts = [
        WORDS[str(feature)].say(float(value), float(medians[str(feature)]))
        for feature, value in zip(table["feature"], table["feature_value"], strict=True)
    ]
    return pd.concat([keys, table.drop(columns="row")], axis=1).assign(reason=texts)
