"""Nobody can work out a hidden cell from what is published: small districts are attacked exactly.

The attacker knows which student groups, sections, schools and terms there are, and every published
cell. What he does not know are the amounts of the finest groups (atoms); linear programming tells
between which bounds a hidden cell lies. This shares no code with the suppression.
"""

from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

from python_jobs import suppression
from python_jobs.errors import DistrictError
from python_jobs.suppression import CELL, Structure, coded_values, hidden_values

Matrix = npt.NDArray[np.float64]

MIN_N = 10
SUBGROUPS = {"race_ethnicity": ["a", "b", "c"], "grade_level": ["09", "10"]}
TERMS = ["S1", "S2"]
WEEKS = ["w1", "w2"]
LETTERS = ["A", "B", "F"]
LETTERS_OF = {**{f"letter_rate_{letter}": [letter] for letter in LETTERS}, "a_b_rate": ["A", "B"]}
DEFINITIONS = pd.DataFrame(
    [
        ("result_count", "count", "results", False),
        ("a_b_rate", "rate", "results", False),
        ("letter_rate_A", "rate", "results", False),
        ("letter_rate_B", "rate", "results", False),
        ("letter_rate_F", "rate", "results", False),
        ("avg_grade_points", "points", "results", False),
        ("student_count", "count", "students", False),
        ("guardian_linked_rate", "rate", "students", True),
        ("early_warning_student_count", "count", "early_warning", False),
    ],
    columns=["kpi", "unit", "suppression_family", "is_student_share"],
)
PARTS = pd.DataFrame(
    [
        *[(f"letter_rate_{letter}", None, 1.0, "result_count") for letter in LETTERS],
        ("letter_rate_A", "a_b_rate", 1.0, None),
        ("letter_rate_B", "a_b_rate", 1.0, None),
        *[(f"letter_rate_{x}", None, p, "points") for x, p in zip(LETTERS, (4, 3, 0), strict=True)],
    ],
    columns=["kpi", "whole", "weight", "sum"],
)


class District:
    """A random district: results (one row each) of students with their groups and sections."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        sizes = random.integers(4, 90, size=3)
        rows = [
            {
                "student": f"s{school}_{number}",
                "school": f"h{school}",
                "linked": random.random() < 0.8,
                **{
                    name: random.choice(values, p=_shares(random, len(values)))
                    for name, values in SUBGROUPS.items()
                },
            }
            for school, size in enumerate(sizes)
            for number in range(size)
        ]
        self.students = pd.DataFrame(rows)
        results = self.students.loc[
            random.choice(self.students.index, size=3 * len(self.students))
        ].reset_index(drop=True)
        section = random.integers(0, 3, len(results)).astype(str)
        results["course"] = results["school"] + "_c" + section
        results["teacher"] = results["school"] + "_t" + np.where(section == "2", "1", "0")
        results["subject"] = np.where(section == "0", "math", "arts")
        results["term"] = random.choice(TERMS, len(results))
        results["letter"] = random.choice(LETTERS, len(results), p=[0.5, 0.4, 0.1])
        results["week"] = random.choice(WEEKS, len(results), p=[0.9, 0.1])
        results["school_week"] = results["school"] + "_" + results["week"]
        self.results = results
        courses = results.drop_duplicates("course")
        sections = [
            pd.DataFrame(
                {
                    "part_id": courses["course"],
                    "grain": grain,
                    "entity_id": courses[grain],
                    "weight": 1.0,
                }
            )
            for grain in ("school", "subject", "teacher")
        ]
        weeks = results.drop_duplicates("school_week")[["school_week", "school"]]
        weeks.columns = ["part_id", "entity_id"]
        sections.append(weeks.assign(grain="school", weight=1.0))
        schools = self.students["school"].unique()
        self.structure = Structure(
            pd.DataFrame({"school_id": schools, "district_id": "d"}), pd.concat(sections), PARTS
        )

    def values(self) -> pd.DataFrame:
        """Return kpi_values of the district."""
        entities = [("course", "course"), ("subject", "subject"), ("teacher", "teacher")]
        entities += [("school", "school"), ("grade_level", "grade_level"), ("district", "")]
        found = []
        periods = [*product(entities, [*TERMS, "year"]), (("school_week", "school_week"), "year")]
        for (grain, key), term in periods:
            results = self.results if term == "year" else self.results.query("term == @term")
            for frame, of_results in ((results, True), (self.students, False)):
                if not of_results and grain not in ("school", "grade_level", "district"):
                    continue
                for entity, rows in frame.groupby(key) if key else [("d", frame)]:
                    groups = [("all", "all", rows)]
                    if grain in ("school", "district"):
                        groups += [
                            (name, str(value), group)
                            for name in SUBGROUPS
                            for value, group in rows.groupby(name)
                        ]
                    for kind, value, group in groups:
                        cell = (grain, entity, kind, value, 2026, term)
                        found += _kpis(cell, group, of_results=of_results)
        columns = [*CELL, "numerator", "student_count", "numerator_student_count"]
        return pd.DataFrame(found, columns=columns)


def _shares(random: np.random.Generator, count: int) -> Matrix:
    shares: Matrix = random.exponential(size=count)
    return np.asarray(shares / shares.sum())


def _kpis(cell: tuple[object, ...], group: pd.DataFrame, *, of_results: bool) -> list[object]:
    """Return the KPI rows of a cell."""
    everybody = group["student"].nunique()
    if not of_results:
        linked = group[group["linked"]]
        return [
            ("student_count", *cell, everybody, everybody, everybody),
            ("guardian_linked_rate", *cell, len(linked), everybody, len(linked)),
        ]
    rows: list[object] = [
        ("result_count", *cell, len(group), everybody, everybody),
        ("avg_grade_points", *cell, 0, everybody, None),
    ]
    for kpi, letters in LETTERS_OF.items():
        counted = group[group["letter"].isin(letters)]
        students = counted["student"].nunique()
        rows.append((kpi, *cell, len(counted), everybody, students))
    return rows


def recovered(
    values: pd.DataFrame, frame: pd.DataFrame, columns: list[str], is_hidden: npt.NDArray[np.bool_]
) -> int:
    """Return how many hidden numerators lie between bounds less than one apart.

    columns: of `frame`, what tells rows apart. Each combination of their values is an atom: the
    attacker does not know which of them are empty.
    """
    atoms = list(product(*[frame[column].unique() for column in columns]))
    number = {atom: place for place, atom in enumerate(atoms)}
    table = pd.DataFrame(atoms, columns=columns)
    if "course" in table:  # everybody knows where, what and by whom it is taught
        known = frame.drop_duplicates("course")[["course", "school", "subject", "teacher"]]
        table = table.merge(known, on="course", how="left")
        table["school_week"] = table["school"] + "_" + table["week"]
    of_row = frame[columns].apply(tuple, axis=1).map(number).to_numpy()
    matrix = np.stack([_members(cell, table) for _, cell in values.iterrows()])
    amounts = values["numerator"].to_numpy(dtype=float)
    assert (matrix @ np.bincount(of_row, minlength=len(atoms)) == amounts).all()
    broken = 0
    for row in np.unique(matrix[is_hidden], axis=0):
        low, high = (
            linprog(
                sign * row,
                A_eq=csr_array(matrix[~is_hidden]),
                b_eq=amounts[~is_hidden],
                bounds=(0, None),
            )
            for sign in (1, -1)
        )
        assert low.status == 0
        assert high.status in (0, 3)  # 3: without bound
        if high.status == 0 and -high.fun - low.fun < 1 - 1e-6:
            broken += 1
    return broken


def _members(cell: "pd.Series[Any]", atoms: pd.DataFrame) -> Matrix:
    """Return 1 for each atom that counts in the numerator of the cell, else 0."""
    found = pd.Series(True, index=atoms.index)
    if cell["grain"] != "district":
        found &= atoms[cell["grain"]] == cell["entity_id"]
    if cell["subgroup_type"] != "all":
        found &= atoms[cell["subgroup_type"]] == cell["subgroup"]
    if "term" in atoms and cell["term_id"] != "year":
        found &= atoms["term"] == cell["term_id"]
    if cell["kpi"] == "guardian_linked_rate":
        found &= atoms["linked"]
    if cell["kpi"] in LETTERS_OF:
        found &= atoms["letter"].isin(LETTERS_OF[cell["kpi"]])
    return np.asarray(found, dtype=float)


def attack(seed: int) -> tuple[int, int]:
    """Return how many cells of a random district are hidden and how many an attacker recovers."""
    district = District(seed)
    values = district.values()
    hidden = hidden_values(
        values[[*CELL, "student_count", "numerator_student_count"]],
        DEFINITIONS,
        district.structure,
        MIN_N,
    )
    is_hidden = pd.Series(values.index.isin(hidden.index[hidden["hides_numerator"]]))
    is_of_students = values["kpi"].isin(["student_count", "guardian_linked_rate"])
    is_letter = values["kpi"].isin([*LETTERS_OF, "result_count"])
    broken = 0
    for mask, frame, columns in (
        (is_of_students, district.students, ["school", "linked", *SUBGROUPS]),
        (is_letter, district.results, ["course", "term", "week", "letter", *SUBGROUPS]),
    ):
        broken += recovered(values[mask], frame, columns, is_hidden[mask].to_numpy())
    return int(is_hidden.sum()), broken


@pytest.mark.parametrize("seed", range(2))
def test_an_attacker_with_every_published_cell_recovers_none(seed: int) -> None:
    hidden, broken = attack(seed)
    assert hidden > 20
    assert broken == 0


def test_a_large_system_solved_step_by_step_hides_the_same() -> None:
    district = District(0)
    values = district.values()[[*CELL, "student_count", "numerator_student_count"]]
    by_factors = hidden_values(values, DEFINITIONS, district.structure, MIN_N)
    with mock.patch.object(suppression, "DIRECT", 0):
        by_steps = hidden_values(values, DEFINITIONS, district.structure, MIN_N)
    pd.testing.assert_frame_equal(by_steps, by_factors)


def test_the_order_of_rows_does_not_decide_what_is_hidden() -> None:
    district = District(0)
    values = district.values()[[*CELL, "student_count", "numerator_student_count"]]
    shuffled = Structure(
        *(
            getattr(district.structure, name).sample(frac=1, random_state=1)
            for name in ("districts", "sections", "parts")
        )
    )
    hidden = hidden_values(values, DEFINITIONS, district.structure, MIN_N)
    again = hidden_values(values.sample(frac=1, random_state=1), DEFINITIONS, shuffled, MIN_N)
    pd.testing.assert_frame_equal(again.sort_index(), hidden.sort_index())


def test_without_the_complementary_step_the_attack_succeeds() -> None:
    def only_primary(
        equations: object,
        students: Matrix,
        hidden: npt.NDArray[np.bool_],
        *_: object,
        **__: object,
    ) -> npt.NDArray[np.bool_]:
        return hidden

    with mock.patch.object(suppression, "protect", only_primary):
        assert attack(0)[1] > 0


def one_school(kpis: dict[str, dict[str, int]]) -> pd.DataFrame:
    """Return kpi_values of a school by group, with all: students who count, per KPI and group."""
    rows = [
        (kpi, "school", "h1", "all" if group == "all" else "group", group, 2026, "year", n, n)
        for kpi, groups in kpis.items()
        for group, n in {**groups, "all": sum(groups.values())}.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "student_count", "numerator_student_count"])


NO_STRUCTURE = Structure(
    pd.DataFrame({"school_id": ["h1"], "district_id": ["d"]}),
    pd.DataFrame(columns=["part_id", "grain", "entity_id", "weight"]),
    PARTS,
)


def test_families_that_count_nearly_the_same_students_hide_the_same_groups() -> None:
    """Else a = all - b - c - d: b from one family, c and d from the other."""
    values = one_school(
        {
            "student_count": {"a": 7, "b": 14, "c": 15, "d": 60},
            "early_warning_student_count": {"a": 7, "b": 14, "c": 13, "d": 60},
        }
    )
    hidden = hidden_values(values, DEFINITIONS, NO_STRUCTURE, MIN_N)
    groups = values.loc[hidden.index].groupby("kpi")["subgroup"].apply(set)
    assert groups["student_count"] == groups["early_warning_student_count"]
    assert len(groups["student_count"]) > 1


def test_families_of_other_students_hide_apart() -> None:
    values = one_school(
        {
            "student_count": {"a": 70, "b": 140, "c": 150},
            "early_warning_student_count": {"a": 7, "b": 14, "c": 13},
        }
    )
    hidden = hidden_values(values, DEFINITIONS, NO_STRUCTURE, MIN_N)
    assert set(values.loc[hidden.index, "kpi"]) == {"early_warning_student_count"}


def test_a_letter_without_a_definition_is_hidden_as_any_other() -> None:
    values = one_school({"letter_rate_E": {"a": 30, "b": 40}, "result_count": {"a": 30, "b": 40}})
    few = values["kpi"].eq("letter_rate_E") & values["subgroup"].eq("a")
    values.loc[few, "numerator_student_count"] = 3
    hidden = hidden_values(values, DEFINITIONS, NO_STRUCTURE, MIN_N)
    assert hidden.loc[values.index[few], "hides_numerator"].all()
    assert hidden["hides_numerator"].sum() > 1  # nor can it be worked out


def test_a_kpi_without_a_definition_is_refused() -> None:
    with pytest.raises(DistrictError, match="without a definition cannot be published: pass_rate"):
        hidden_values(one_school({"pass_rate": {"a": 30}}), DEFINITIONS, NO_STRUCTURE, MIN_N)


def test_groups_below_the_minimum_are_hidden_and_the_empty_ones_shown() -> None:
    groups = [np.array([0.0, 9.0, 10.0, 30.0]), np.array([0.0, 0.0, 10.0, 1.0])]
    assert suppression.primary(groups, MIN_N).tolist() == [False, True, False, True]


def test_only_rates_beyond_the_limits_are_coded_and_only_those_of_students() -> None:
    values = pd.DataFrame(
        {
            "kpi": ["guardian_linked_rate"] * 4 + ["a_b_rate"],
            "value": [0.95, 0.950001, 0.05, 0.049999, 0.99],
        }
    )
    coded = coded_values(values, DEFINITIONS, 0.05, 0.95)
    assert coded.to_dict() == {1: "high", 3: "low"}
