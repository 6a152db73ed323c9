"""Early warning on students made up so that the answer is known; no Spark."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from python_jobs.early_warning import clusters, drift, explanations, fairness, review, training
from python_jobs.early_warning.data import (
    FEATURES,
    LABEL,
    PROTECTED,
    SECOND_LABEL,
    latest_cut,
    shortcomings,
    split_by_year,
)
from python_jobs.early_warning.evaluation import (
    Bootstrap,
    Flagged,
    Ranking,
    brier,
    flag_counts,
    flag_share,
    measures,
    reliability,
    wilson,
)
from python_jobs.early_warning.models import BOOSTING, LOGISTIC, TREE, best_of, train_model
from python_jobs.errors import DistrictError
from python_jobs.ml import parse_share


def students(count: int = 600, years: tuple[int, ...] = (2024, 2025, 2026)) -> pd.DataFrame:
    """Make students whose risk is known: it rises with absence, and falls with grades.

    Two cuts per year, and a cut of today without outcome.
    """
    generator = np.random.default_rng(3)
    parts = []
    for year in years:
        ability = generator.normal(size=count)
        presence = generator.normal(size=count)
        log_odds = -1 - 1.4 * ability - 0.8 * presence
        happened = generator.random(count) < 1 / (1 + np.exp(-log_odds))
        for cut in ("mid_term", "term_end", "today"):
            frame = pd.DataFrame({name: generator.normal(size=count) for name in FEATURES})
            frame["mean_percent"] = 75 + 10 * ability + generator.normal(size=count)
            frame["attendance_rate"] = np.clip(0.9 + 0.04 * presence, 0, 1)
            frame["avg_gpa"] = np.clip(2.5 + 0.8 * ability, 0, 4)
            frame["prior_gpa"] = frame["avg_gpa"].where(generator.random(count) < 0.8)
            frame = frame.astype(np.float32).assign(
                student_id=[f"s{number:04d}" for number in range(count)],
                cut_id=f"t{year}:{cut}",
                cut_type=cut,
                cut_date=pd.Timestamp(year, 1, 15).date(),
                school_year=year,
                label_school_year=float(year),
                school_days=90,
                term_school_days=90,
                school_id=[f"school {number % 3}" for number in range(count)],
                rule_level=(presence < -1).astype(int),
                rule_points=(presence < -1).astype(int),
                true_risk=1 / (1 + np.exp(-log_odds)),
            )
            frame[LABEL] = np.nan if cut == "today" else happened.astype(float)
            frame[SECOND_LABEL] = np.nan if cut == "today" else (ability > 0.5).astype(float)
            for name in PROTECTED:
                frame[name] = np.where(np.arange(count) % 4 == 0, "yes", "no")
            parts.append(frame)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return students()


@pytest.fixture(scope="module")
def results(frame: pd.DataFrame) -> training.Results:
    return training.train(frame, 0.1, min_n=10)


def test_last_year_is_the_test_and_no_row_of_it_is_learned_from(frame: pd.DataFrame) -> None:
    split = split_by_year(frame)
    assert split.test_year == 2026
    assert set(split.test["label_school_year"]) == {2026.0}
    assert set(split.train["label_school_year"]) == {2024.0, 2025.0}
    assert not set(split.train["cut_type"]) & {"today"}


def test_nothing_is_tuned_on_the_test_year(frame: pd.DataFrame) -> None:
    """With other outcomes in the test year, the same model with the same calibration is chosen."""
    changed = frame.copy()
    last = changed["label_school_year"] == 2026
    changed.loc[last, LABEL] = 1 - changed.loc[last, LABEL]
    one = train_model(LOGISTIC, split_by_year(frame).train)
    other = train_model(LOGISTIC, split_by_year(changed).train)
    assert (one.slope, one.intercept, one.validation_auc) == (
        other.slope,
        other.intercept,
        other.validation_auc,
    )


@pytest.mark.parametrize(
    ("few", "word"),
    [
        (students(600, (2026,)), "a second school year"),
        (students(30), "students with the outcome in the last school year"),
        (students().assign(**{LABEL: np.nan}), "no term whose outcome is known"),
    ],
)
def test_too_little_data_is_said_and_no_measure_is_made(few: pd.DataFrame, word: str) -> None:
    assert any(word in one for one in shortcomings(few))
    with pytest.raises(DistrictError, match="too little data"):
        training.train(few, 0.1, min_n=10)


def test_two_runs_give_the_same_numbers(frame: pd.DataFrame, results: training.Results) -> None:
    again = training.train(frame, 0.1, min_n=10)
    pd.testing.assert_frame_equal(again.metrics, results.metrics)
    pd.testing.assert_frame_equal(again.fairness, results.fairness)
    np.testing.assert_array_equal(again.test_risk, results.test_risk)


def test_ranking_is_near_the_best_that_the_known_risk_allows(results: training.Results) -> None:
    label = results.split.test[LABEL].to_numpy(int)
    best = Ranking(label, results.split.test["true_risk"].to_numpy()).auc()
    assert best - Ranking(label, results.test_risk).auc() < 0.03
    assert results.warning is None  # a rule that sees absence only is beaten


def test_model_that_does_not_beat_the_rule_says_so_first(frame: pd.DataFrame) -> None:
    exact = frame.assign(rule_points=frame["true_risk"], rule_level=frame["true_risk"] > 0.5)
    warning = training.train(exact, 0.1, min_n=10).warning
    assert warning
    assert warning.startswith("The model does not beat the ABC rule")


def test_auc_counts_pairs_and_ties_half() -> None:
    ranking = Ranking(np.array([1, 0, 1, 0]), np.array([0.9, 0.9, 0.4, 0.1]))
    assert ranking.auc() == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert ranking.auc(np.array([1, 0, 1, 1])) == 1.0
    assert np.isnan(Ranking(np.array([1, 1]), np.array([0.1, 0.2])).auc())


def test_average_precision_by_hand() -> None:
    ranking = Ranking(np.array([1, 0, 1]), np.array([0.9, 0.5, 0.1]))
    assert ranking.average_precision() == pytest.approx((1 + 2 / 3) / 2)


def test_bootstrap_draws_students_and_not_rows() -> None:
    rows = pd.Series(["a", "a", "b", "b"])
    for weight in Bootstrap(rows).weights():
        assert weight[0] == weight[1]
        assert weight[2] == weight[3]
        assert weight[0] + weight[2] == 2


def test_capacity_flags_a_share_of_each_cut_and_breaks_ties_the_same_way() -> None:
    cuts = pd.Series(["x"] * 10 + ["y"] * 19)
    score = np.r_[np.arange(10.0), np.zeros(19)]
    flag = flag_share(score, cuts, 0.1)
    assert np.flatnonzero(flag).tolist() == [9, 10]
    assert np.flatnonzero(flag_counts(score, cuts, {"x": 2})).tolist() == [8, 9]


def test_counts_of_a_flag() -> None:
    found = Flagged.count(
        np.array([True, True, False, False]), np.array([True, False, True, False])
    )
    assert (found.precision, found.recall, found.false_positive_rate) == (0.5, 0.5, 0.5)
    assert found.selection_rate == 0.5


def test_lift_compares_as_many_flags_as_the_rule_raises() -> None:
    label = np.array([1, 1, 0, 0])
    rule = pd.DataFrame({"rule_level": [1, 0, 1, 0], "rule_points": [1, 0, 1, 0]})
    ids, cuts = pd.Series(list("abcd")), pd.Series(["x"] * 4)
    table = measures(label, ids, cuts, np.array([4.0, 3, 2, 1]), None, rule, 0.25)
    value = table.set_index("metric")["value"]
    assert value["precision_at_rule"] == 1.0
    assert value["lift_over_rule"] == 2.0
    assert value["recall_at_capacity"] == 0.5
    assert value["roc_auc_over_rule"] == 0.5


def test_reliability_bins_hold_mean_risk_and_observed_rate() -> None:
    risk, label = np.array([0.1, 0.3, 0.9, 1.0]), np.array([0, 1, 1, 1])
    table = reliability(risk, label, bins=2)
    assert table["row_count"].tolist() == [2, 2]
    assert table["mean_risk"].tolist() == pytest.approx([0.2, 0.95])
    assert table["observed_rate"].tolist() == pytest.approx([0.5, 1.0])
    assert brier(risk, label) == pytest.approx((0.01 + 0.49 + 0.01 + 0) / 4)


def test_wilson_interval_of_half_of_ten() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_recalibration_mends_risks_that_are_too_sure(frame: pd.DataFrame) -> None:
    split = split_by_year(frame)
    model = train_model(LOGISTIC, split.train)
    label = split.test[LABEL].to_numpy(int)
    raw = model.raw(split.test)
    sure = 1 / (1 + np.exp(-3 * np.log(raw / (1 - raw))))
    from python_jobs.early_warning.models import calibration_line

    model.slope, model.intercept = calibration_line(sure, label)
    assert model.slope == pytest.approx(1 / 3, abs=0.12)
    assert brier(model.calibrated(sure), label) < brier(sure, label)


@pytest.mark.parametrize("name", [TREE, LOGISTIC, BOOSTING])
def test_shapley_values_add_up_to_the_output(frame: pd.DataFrame, name: str) -> None:
    split = split_by_year(frame)
    model = train_model(name, split.train)
    values = explanations.contributions(model, split.test)
    raw = model.raw(split.test)
    output = raw if name == TREE else np.log(raw / (1 - raw))
    rest = output - values.sum(axis=1)
    assert rest.std() < 1e-3
    assert values.shape == (len(split.test), len(FEATURES))


def test_reasons_are_checkable_and_of_different_topics(
    frame: pd.DataFrame, results: training.Results
) -> None:
    scores, reasons = training.score(results.best, frame, 0.1)
    assert len(scores) == 600
    assert scores["is_flagged"].sum() == 60
    assert reasons["reason_rank"].between(1, 3).all()
    assert (reasons["contribution"] > 0).all()
    topics = reasons["feature"].map(lambda name: explanations.WORDS[name].topic)
    assert not reasons.assign(topic=topics).duplicated(["student_id", "topic"]).any()
    assert not set(topics) & set(explanations.NO_REASON)
    assert reasons["reason"].str.contains(r": .+ \(usual .+\)$").all()
    typical = latest_cut(frame)[FEATURES].median()
    for name, part in reasons.groupby("feature"):
        wording = explanations.WORDS[str(name)]
        assert wording.is_adverse(part["feature_value"].to_numpy(), typical[name]).all(), name
    worst = scores.sort_values("risk_rank")["student_id"].iloc[0]
    first = reasons[(reasons["student_id"] == worst) & (reasons["reason_rank"] == 1)]
    assert first["feature"].iloc[0] in ("mean_percent", "avg_gpa", "attendance_rate", "prior_gpa")


def test_value_that_reads_as_usual_or_better_is_no_reason() -> None:
    failures, attendance = (explanations.WORDS[n] for n in ("num_failures", "attendance_rate"))
    assert failures.is_adverse(np.array([0, 1, np.nan]), 0).tolist() == [False, True, False]
    rates = np.array([0.95, 0.946, 0.93, 1.0])
    assert attendance.is_adverse(rates, 0.951).tolist() == [False, False, True, False]


def test_every_feature_has_words() -> None:
    assert list(explanations.WORDS) == FEATURES
    assert explanations.WORDS["attendance_rate"].say(0.84, 0.951) == (
        "Attendance this year: 84 % (usual 95 %)"
    )
    assert explanations.WORDS["prior_gpa"].say(float("nan"), 2.0).endswith("not known")


def test_small_groups_are_hidden_and_cannot_be_subtracted() -> None:
    counts = pd.DataFrame(
        {
            "student_count": [200, 40, 8],
            "at_risk": [50, 12, 3],
            "not_at_risk": [150, 28, 5],
            "flagged": [20, 11, 2],
            "not_flagged": [180, 29, 6],
        }
    )
    assert fairness.hidden_groups(counts, 10).tolist() == [False, True, True]
    assert not fairness.hidden_groups(counts.head(2), 10).any()


def audited(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    table = training.train(frame, 0.1, min_n=10).fairness
    return table[table["attribute"] == name].set_index(["group_name", "metric"])


def test_audit_finds_a_bias_that_is_planted_and_none_where_there_is_none(
    frame: pd.DataFrame, results: training.Results
) -> None:
    """Learners get into trouble more often than their features say: the risk is too low."""
    assert not results.fairness["is_finding"].any()
    learner = np.where(np.arange(len(frame)) % 600 % 4 == 1, "yes", "no")
    biased = frame.assign(is_english_learner=learner)
    chance = np.random.default_rng(1).random(len(frame)) < 0.5
    biased.loc[(learner == "yes") & chance & biased[LABEL].notna(), LABEL] = 1.0
    table = audited(biased, "is_english_learner")
    gap: Any = table.loc[("yes", "calibration_gap")]
    assert gap["is_finding"]
    assert gap["value"] < -0.1


def test_audit_finds_marks_below_what_the_same_work_earns_others(frame: pd.DataFrame) -> None:
    learner = np.where(np.arange(len(frame)) % 600 % 4 == 1, "yes", "no")
    biased = frame.assign(is_english_learner=learner)
    biased["prior_gpa"] -= np.where(learner == "yes", np.float32(0.6), np.float32(0))
    table = audited(biased, "is_english_learner")
    marks: Any = table.loc[("yes", fairness.MARKS_GAP)]
    assert marks["is_finding"]
    assert marks["gap"] == pytest.approx(-0.6, abs=0.15)


def test_marks_are_compared_with_those_of_equal_work() -> None:
    """Work of 2 points earns marks of 2 on average, that of 3 points 3; unknown stays unknown."""
    rows = pd.DataFrame(
        {"avg_gpa": [2, 2, 3, 3, np.nan, 3], "prior_gpa": [1.5, 2.5, 3, 3, 3, np.nan]}
    )
    beyond = fairness.marks_beyond_work(rows)
    assert beyond[:4].tolist() == [-0.5, 0.5, 0, 0]
    assert np.isnan(beyond[4:]).all()


def test_protected_attributes_are_features_only_of_the_comparison(
    frame: pd.DataFrame, results: training.Results
) -> None:
    _, features = fairness.with_protected(frame)
    assert {name.rsplit("_", 1)[0] for name in features} >= set(PROTECTED)
    for model in results.models.values():
        assert model.features == FEATURES
    assert results.protected["protected"].tolist() == ["without", "with"]


def test_defect_of_one_school_is_found(frame: pd.DataFrame) -> None:
    assert fairness.data_defects(frame).empty
    broken = frame.copy()
    at = broken["school_id"] == "school 1"
    broken.loc[at, "attendance_rate"] = np.float32(1.0)
    found = fairness.data_defects(broken)
    assert found[["school_id", "feature"]].to_numpy().tolist() == [["school 1", "attendance_rate"]]


def test_of_two_schools_of_the_same_grades_the_broken_one_is_named(frame: pd.DataFrame) -> None:
    """Schools 0 and 1 alone have grade 9; school 1 reports no absence."""
    schools = frame["school_id"].isin(["school 0", "school 1"])
    broken = frame.assign(grade_number=np.where(schools, np.float32(9), np.float32(5)))
    broken.loc[broken["school_id"] == "school 1", "attendance_rate"] = np.float32(1.0)
    found = fairness.data_defects(broken)
    assert found[["school_id", "feature"]].to_numpy().tolist() == [["school 1", "attendance_rate"]]


def test_drift_is_seen_and_its_absence_too(frame: pd.DataFrame) -> None:
    learned = frame[frame["label_school_year"] < 2026]
    reference = drift.learn_reference(learned, FEATURES)
    today = latest_cut(frame)
    assert drift.stability(reference, today)["psi"].max() < 0.25
    moved = today.assign(attendance_rate=today["attendance_rate"] - 0.1)
    worst = drift.stability(reference, moved).iloc[0]
    assert worst["feature"] == "attendance_rate"
    assert worst["psi"] > 0.25
    unknown = today.assign(prior_gpa=np.float32(np.nan))
    assert drift.stability(reference, unknown).iloc[0]["feature"] == "prior_gpa"


def test_stability_index_by_hand() -> None:
    """Halves become 90 and 10 percent: 0.4 x ln 1.8 + (-0.4) x ln 0.2."""
    then = np.repeat([1.0, 2.0], 50)
    now = np.repeat([1.0, 2.0], [90, 10])
    assert drift.stability_of(then, now) == pytest.approx(
        0.4 * np.log(1.8) - 0.4 * np.log(0.2), abs=0.01
    )


def test_clusters_are_named_and_numbered_by_grades_the_same_way_in_each_order() -> None:
    generator = np.random.default_rng(0)
    gpa = np.repeat([0.5, 1.5, 2.5, 3.5], 25)
    latest = pd.DataFrame(
        {name: generator.normal(0, 0.01, 100) for name in clusters.CLUSTER_FEATURES}
    ).assign(avg_gpa=gpa, student_id=[f"s{n:03d}" for n in range(100)], cut_id="t:today")
    latest["submission_rate"] = np.where(gpa < 1, 0.5, 0.9) + latest["submission_rate"]
    latest["attendance_rate"] = np.where(gpa == 1.5, 0.7, 0.95) + latest["attendance_rate"]
    latest["num_courses"] = np.where(gpa == 3.5, 9, 5) + latest["num_courses"]
    segments = clusters.find_clusters(latest)
    assert segments.students["cluster"].tolist() == np.repeat([0, 1, 2, 3], 25).tolist()
    names = segments.means["cluster_name"].tolist()
    assert names[0] == "lowest grades, homework often missing"
    assert names[1] == "lower grades, often absent"
    assert names[3] == "highest grades, more courses"
    turned = clusters.find_clusters(latest.iloc[::-1].reset_index(drop=True))
    assert turned.students["cluster"].tolist() == segments.students["cluster"].tolist()[::-1]
    assert segments.silhouettes.set_index("k")["silhouette"].idxmax() == 4
    with pytest.raises(DistrictError, match="3 students are enrolled"):
        clusters.find_clusters(latest.head(3))


def test_tree_is_of_depth_three_and_its_nodes_count_the_students(
    results: training.Results,
) -> None:
    nodes = training.tree_nodes(results.models[TREE], results.split.train)
    assert nodes["depth"].max() == 3
    leaves = nodes[nodes["feature"].isna()]
    assert leaves["row_count"].sum() == len(results.split.train)
    assert set(nodes["class_name"]) == {"at risk", "not at risk"}
    assert nodes.loc[0, "at_risk_rate"] == pytest.approx(results.split.train[LABEL].mean())


def test_confusion_adds_up_and_the_rule_flags_what_the_models_flag(
    results: training.Results,
) -> None:
    table = results.confusion
    cells = ["true_positive", "false_positive", "false_negative", "true_negative"]
    assert (table[cells].sum(axis=1) == len(results.split.test)).all()
    flagged = table["true_positive"] + table["false_positive"]
    assert flagged[table["threshold"] == "rule"].nunique() == 1


def test_best_is_chosen_on_held_out_students(results: training.Results) -> None:
    aucs = {name: one.validation_auc for name, one in results.models.items()}
    assert best_of(results.models).validation_auc == max(aucs.values())


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.1", 0.1), ("12.5 %", 0.125)])
def test_capacity_is_a_share(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "all", "0%", "100%", "-5%", "1.5"])
def test_capacity_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DistrictError, match="no share"):
        parse_share(text)


def queue(results: training.Results, frame: pd.DataFrame) -> pd.DataFrame:
    scores, reasons = training.score(results.best, frame, 0.1)
    flagged = scores[scores["is_flagged"]]
    return review.queue_of(flagged.assign(release_id=1), reasons.assign(release_id=1))


def test_review_queue_has_reasons_and_empty_columns_for_staff(
    frame: pd.DataFrame, results: training.Results
) -> None:
    made = queue(results, frame)
    assert list(made) == review.COLUMNS
    assert len(made) == 60
    assert made["risk"].is_monotonic_decreasing
    assert (made["reason_1"] != "").all()
    assert (made[review.STAFF_COLUMNS] == "").all(axis=None)


def test_filled_queue_is_read_back_and_a_wrong_line_is_named(
    frame: pd.DataFrame, results: training.Results, tmp_path: Path
) -> None:
    made = queue(results, frame)
    made.loc[made.index[0], ["decision", "decided_on"]] = ["support", "2026-02-01"]
    path = tmp_path / "queue.csv"
    made.to_csv(path, index=False)
    (line, row), *others = review.read_decisions(path)
    assert (line, row["decision"], others) == (2, "support", [])
    made.loc[made.index[1], "decision"] = "maybe"
    made.to_csv(path, index=False)
    with pytest.raises(DistrictError, match="lines 3 have a decision"):
        review.read_decisions(path)
    made.drop(columns="outcome").to_csv(path, index=False)
    with pytest.raises(DistrictError, match="lacks the columns outcome"):
        review.read_decisions(path)


def documents(results: training.Results, frame: pd.DataFrame, **changed: Any) -> str:
    from datetime import UTC, date, datetime

    from python_jobs.early_warning import data, figures, reports

    latest = latest_cut(frame)
    segments = clusters.find_clusters(latest)
    drawn = figures.of_segments(segments, latest, 10) | figures.of_models(results, 10)
    release = data.Release(1, datetime(2026, 7, 1, tzinfo=UTC), date(2026, 6, 30), {})
    return reports.readme(release, segments, results, [], drawn, 10) + reports.model_card(
        release, results, 10, 1
    )


def test_reports_open_with_the_verdict_and_name_no_student(
    frame: pd.DataFrame, results: training.Results
) -> None:
    text = documents(results, frame)
    assert text.startswith("**The model beats the ABC rule")
    assert not re.search(r"\bs\d{4}\b", text)
    assert "nan" not in text.lower().split()
    results.warning = "The model does not beat the ABC rule beyond chance."
    try:
        assert documents(results, frame).startswith("**The model does not beat the ABC rule")
    finally:
        results.warning = None
