"""Hide the cells of few students, and enough others that no published total gives them away.

A cell is an entity (or a subgroup of it) in a period. Cells are tied by equations: schools add up
to their district, subgroups to their whole, terms to their year, sections to school, subject and
teacher, letters to all results. An equation that holds only nearly, as for distinct students,
hides more than is needed, never less. After: NCES 2011-603, and the literature on complementary
cell suppression.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csc_array, csr_array, eye_array, hstack
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import lsmr, splu

from python_jobs.errors import DistrictError

Array = npt.NDArray[Any]
CELL = ["kpi", "grain", "entity_id", "subgroup_type", "subgroup", "school_year", "term_id"]
WHOLE = "all"  # subgroup and subgroup_type of a whole entity
COUNT = "count"  # unit of a KPI that is no quotient
LETTER = "letter_rate_"  # before the letter, in the KPI of its share
RESULTS = "result_count"  # what the letters add up to
YEAR = "year"  # term_id of a whole school year
DETERMINED = 1e-6  # of a random direction that keeps every equation: no room to move
RIDGE = 1e-8
PROJECTIONS = 4
DIRECT = 5_000  # equations up to which a system is factored
PRECISION = 1e-12
FEW_STEPS = 200  # enough to find most fixed cells, while there are some
NEARLY_DETERMINED = 1e-5
MOST_STEPS = 20_000
PRICE = 1.5  # how many times as much one step of worth costs
GAINS = (1e2, 1e4, 1e6, 1e8)
MOVED = 1e-6  # of at most 1
MOST_CELLS = 40_000  # of one KPI; in larger systems, and those of its parts, it leaves out details
MOST_SECONDS = 60.0  # of one linear program; without an answer, equations are closed one by one
CAREFUL = 64  # rounds that double: after so many cells at once, all equations are looked at
# Who reads a number: what the whole district sees is hidden last.
GRAINS = ["school_week", "course", "teacher", "subject", "grade_level", "school", "district"]
OF_FEW = GRAINS[:3]


@dataclass(frozen=True)
class Structure:
    """Which entity belongs to which: what anybody can know from names and timetables.

    districts: school_id, district_id. sections: part_id (a section, or a week of a school), grain
    (school, subject, teacher), entity_id, weight: how much of the part counts for that entity.
    parts: kpi, whole, weight: how numerators add up to those of another KPI, or (whole null) to a
    number published besides, one by the name in `sum`, as grade points times letters do.
    """

    districts: pd.DataFrame
    sections: pd.DataFrame
    parts: pd.DataFrame


def primary(groups: Sequence[Array], min_n: int) -> Array:
    """Return which cells have a group (all, those counted, the others) of 1 to min_n - 1 students.

    groups: arrays of one length, students in each cell; NaN where the KPI has no such group.
    """
    hidden = np.zeros(len(groups[0]), dtype=bool)
    for group in groups:
        hidden |= (group > 0) & (group < min_n)
    return hidden


def protect(
    equations: csr_array,
    students: Array,
    hidden: Array,
    min_n: int,
    worth: Array,
    size: Array | None = None,
    present: Array | None = None,
    amounts: Sequence[Array] = (),
    details: Array | None = None,
) -> Array:
    """Return `hidden` with the cells that must be hidden too, those of least worth first.

    students: behind each cell; cells of 0 are hidden only where there are no others. When this
    returns, no combination of the equations fixes a hidden cell that has students, and what a total
    leaves open is min_n students or more, unless all of the equation is hidden. size: of cells of
    equal worth the one of least size goes first (default: the students). present: cells of which
    not everybody knows that they are empty (default: those with students). amounts: what is never
    less than 0 in a cell: where nothing is left for it, it is known. details: the many cells of
    which most are hidden anyway; the search for the least loss leaves them out.
    """
    size = students if size is None else size
    present = students > 0 if present is None else present
    details = np.zeros(len(hidden), dtype=bool) if details is None else details
    more = 1
    room = _Room(equations)
    while True:
        found = _open_alone(equations, students, hidden, min_n, worth, size)
        if not found.any():
            unknown = hidden & present & ~_known_zeros(equations, amounts, hidden)
            fixed = room.fixed(np.flatnonzero(unknown)) & (students > 0)
            if not fixed.any():
                return hidden
            found = _least_loss(equations, hidden, fixed, present, worth, details)
            if not found.any():
                rows = np.flatnonzero((abs(equations) > 0) @ fixed.astype(float))
                found = _least_shown(equations, students, hidden, rows, worth, size, more, fixed)
                more *= 2  # an end even where nearly all is hidden
        if not found.any():
            return hidden
        hidden = hidden | found


def _known_zeros(equations: csr_array, amounts: Sequence[Array], hidden: Array) -> Array:
    """Return the hidden cells in which a reader knows an amount to be 0: nothing is left for it."""
    parts, totals = (equations > 0).astype(float), (equations < 0).astype(float)
    zeros = np.zeros(len(hidden), dtype=bool)
    for amount in amounts:
        unknown, found = hidden, hidden
        while found.any():
            is_nothing_left = (totals @ unknown == 0) & (parts @ (amount * unknown) == 0)
            found = unknown & (parts.T @ is_nothing_left > 0)
            unknown = unknown & ~found
        zeros |= hidden & ~unknown
    return zeros


def _least_loss(
    equations: csr_array,
    hidden: Array,
    fixed: Array,
    present: Array,
    worth: Array,
    details: Array,
) -> Array:
    """Return cells that, hidden as well, let fixed ones move, as a linear program finds them.

    It looks for a change of all cells that keeps every equation, moves the fixed cells at random up
    or down, and costs the worth of each cell shown that it moves. Gains grow until one pays.
    """
    is_open = (abs(equations) > 0) @ (details & hidden & ~fixed).astype(float) > 0
    cells = np.flatnonzero(present & ~details)
    matrix = csr_array(equations[~is_open])[:, cells]
    matrix = csr_array(matrix[np.flatnonzero(np.diff(matrix.indptr))])
    found = np.zeros(len(hidden), dtype=bool)
    if not matrix.shape[0] or not fixed[cells].any():
        return found
    random = np.random.default_rng(0)
    ways = random.choice([-1, 1], len(cells)) * random.uniform(0.5, 1, len(cells))
    gain = np.where(fixed[cells], ways, 0.0)
    cost = np.where(hidden, 0.0, PRICE ** (worth - worth.min()))[cells]
    up_and_down = hstack([matrix, -matrix], format="csc")
    for weight in GAINS:
        answer = linprog(
            np.concatenate([cost - weight * gain, cost + weight * gain]),
            A_eq=up_and_down,
            b_eq=np.zeros(matrix.shape[0]),
            bounds=(0, 1),
            method="highs",
            options={"time_limit": MOST_SECONDS},
        )
        if answer.x is None:
            return found
        moved = np.abs(answer.x[: len(cells)] - answer.x[len(cells) :]) > MOVED
        found[cells] = moved & ~hidden[cells]
        if found.any():
            return found
    return found


def _open_alone(
    equations: csr_array, students: Array, hidden: Array, min_n: int, worth: Array, size: Array
) -> Array:
    """Return one more cell for each equation whose hidden cells are one, or too few students."""
    hidden_cells = (abs(equations) > 0) @ hidden.astype(float)
    hidden_parts = (equations > 0) @ (hidden * students)
    total_is_hidden = (equations < 0) @ hidden.astype(float) > 0
    is_open = (hidden_cells == 1) | ((hidden_cells > 1) & ~total_is_hidden & (hidden_parts < min_n))
    return _least_shown(equations, students, hidden, np.flatnonzero(is_open), worth, size)


class _Room:
    """How far hidden cells can move while every equation holds.

    A random direction is projected on those that keep every equation: where it cannot move, the
    cell is fixed; all else moves with probability one.
    """

    def __init__(self, equations: csr_array) -> None:
        self.equations = equations
        self.direction = np.random.default_rng(0).standard_normal(equations.shape[1])
        # Found last time: of the next round's hidden cells nearly all are the same.
        self.multipliers = np.zeros(equations.shape[0])

    def fixed(self, unknown: Array) -> Array:
        """Return which cells the equations fix, of those that are unknown (their places)."""
        found = np.zeros(len(self.direction), dtype=bool)
        matrix = self.equations[:, unknown]
        kept = np.flatnonzero(np.diff(matrix.indptr))
        if not len(kept):
            return found
        matrix = csr_array(matrix[kept])
        if len(kept) <= DIRECT:
            room = _projected(matrix, self.direction[unknown])
            found[unknown[np.abs(room) < DETERMINED]] = True
            return found
        for steps, least in ((FEW_STEPS, NEARLY_DETERMINED), (MOST_STEPS, DETERMINED)):
            room = self._projected_by_steps(matrix, kept, unknown, steps)
            found[unknown[np.abs(room) < least]] = True
            if found.any():
                break  # more cells are hidden now; those found by few steps need not be all
        return found

    def _projected_by_steps(
        self, matrix: csr_array, kept: Array, unknown: Array, steps: int
    ) -> Array:
        """As _projected, for large systems, whose factors would fill the memory."""
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        transposed = csr_array(matrix.multiply(1 / lengths[:, None])).T.tocsr()
        direction = self.direction[unknown]
        start = self.multipliers[kept] * lengths
        found = lsmr(
            transposed, direction, atol=PRECISION, btol=PRECISION, maxiter=steps, x0=start
        )[0]
        self.multipliers[kept] = found / lengths
        return np.asarray(direction - transposed @ found)


def _projected(matrix: csr_array, direction: Array) -> Array:
    """Return the part of a direction that keeps every equation."""
    # The small number makes equations that follow from others solvable; repeating undoes it.
    normal = csc_array(matrix @ matrix.T) + RIDGE * eye_array(matrix.shape[0], format="csc")
    solver = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    for _ in range(PROJECTIONS):
        direction = direction - matrix.T @ solver.solve(matrix @ direction)
    return direction


def _least_shown(
    equations: csr_array,
    students: Array,
    hidden: Array,
    rows: Iterable[int],
    worth: Array,
    size: Array,
    count: int = 1,
    fixed: Array | None = None,
) -> Array:
    """Return the cells of least worth still shown of each equation; those of no student last.

    count: how many, where they are of equal worth. fixed: cells of which each needs one equation
    only; it is the one that offers the least.
    """
    offers = []
    for row in rows:
        members = slice(equations.indptr[row], equations.indptr[row + 1])
        cells, signs = equations.indices[members], equations.data[members]
        parts = signs[~hidden[cells]] < 0
        shown = cells[~hidden[cells]]
        if len(shown):
            keys = (shown, size[shown], parts, worth[shown], students[shown] == 0)
            order = shown[np.lexsort(keys)]
            first = order[0]
            offers.append((students[first] == 0, worth[first], row, cells, order))
    chosen = np.zeros(len(hidden), dtype=bool)
    open_ = None if fixed is None else fixed.copy()
    offers.sort(key=lambda offer: offer[:3])
    for is_empty, least, _, cells, order in offers:
        if open_ is not None and count <= CAREFUL and (is_empty, least) != offers[0][:2]:
            break  # what is hidden now may free the others
        if chosen[cells].any() or (open_ is not None and not open_[cells].any()):
            continue
        alike = order[(worth[order] == least) & ((students[order] == 0) == is_empty)]
        chosen[alike[:count]] = True
        if open_ is not None:
            open_[cells] = False
    return chosen


def worth_of(cells: pd.DataFrame) -> Array:
    """Return how many people would miss each cell (columns CELL), as an order."""
    grain = pd.Categorical(cells["grain"], GRAINS).codes.astype(float)
    is_whole = (cells["subgroup_type"] == WHOLE).to_numpy()
    is_year = (cells["term_id"] == YEAR).to_numpy()
    worth: Array = 4 * np.where(is_whole, grain + 2, grain - 2) + 2 * is_whole + is_year
    return worth


def equations_of(cells: pd.DataFrame, structure: Structure) -> csr_array:
    """Return how the cells (columns CELL, index 0 to n - 1) add up.

    is_hidden, a further column, says of which cells the denominator is hidden: what numerators
    add up to is not known there.

    A row is an equation: it times the cells' amounts is 0; a total has the coefficient -1.
    """
    whole = cells[cells["subgroup_type"] == WHOLE]
    sections = whole[whole["grain"].isin(["course", "school_week"])].reset_index(names="cell")
    schools = cells[cells["grain"] == "school"].reset_index(names="cell")
    ties = [
        _tie(
            cells[cells["subgroup_type"] != WHOLE].reset_index(names="cell"),
            {"subgroup_type": WHOLE, "subgroup": WHOLE},
            "subgroup_type",
        ),
        _tie(
            cells[
                (cells["grain"] == "district") & (cells["subgroup_type"] == "grade_level")
            ].reset_index(names="cell"),
            {
                "grain": "grade_level",
                "entity_id": "subgroup",
                "subgroup_type": WHOLE,
                "subgroup": WHOLE,
            },
        ),
        _tie(cells[cells["term_id"] != YEAR].reset_index(names="cell"), {"term_id": YEAR}),
        _tie(
            cells.reset_index(names="cell").merge(structure.parts.dropna(subset="whole"), on="kpi"),
            {"kpi": "whole"},
        ),
        _tie(
            schools.merge(structure.districts, left_on="entity_id", right_on="school_id"),
            {"grain": "district", "entity_id": "district_id"},
        ),
        _tie(
            sections.rename(columns={"entity_id": "part_id", "grain": "part_grain"}).merge(
                structure.sections, on="part_id"
            ),
            {},
            "part_grain",
        ),
    ]
    number = pd.Series(cells.index, index=pd.MultiIndex.from_frame(cells[CELL]))
    ties = [tie.assign(rule=rule) for rule, tie in enumerate(ties) if len(tie)]
    tied = pd.concat(ties, ignore_index=True)
    tied["total"] = number.reindex(pd.MultiIndex.from_frame(tied[CELL])).to_numpy()
    tied = tied.dropna(subset=["total"])
    tied["equation"] = tied.groupby(["rule", "kind", "total"], sort=False).ngroup()
    totals = tied.drop_duplicates("equation").assign(cell=lambda tie: tie["total"], weight=-1.0)
    members = [tied, totals]
    count = tied["equation"].nunique()
    for more in (_district_wide(whole), _known_sums(cells, structure.parts)):
        members.append(more.assign(equation=more["equation"] + count))
        count += more["equation"].nunique()
    rows, columns, values = (
        np.concatenate([frame[column].to_numpy() for frame in members])
        for column in ("equation", "cell", "weight")
    )
    return csr_array((values, (rows.astype(int), columns.astype(int))), shape=(count, len(cells)))


def _district_wide(whole: pd.DataFrame) -> pd.DataFrame:
    """Return the members of the equations between districts and what is not parted by district."""
    period = ["kpi", "school_year", "term_id"]
    districts = whole[whole["grain"] == "district"].reset_index(names="cell")
    frames = []
    for grain in ("grade_level", "subject", "teacher"):
        parts = whole[whole["grain"] == grain].reset_index(names="cell")
        wholes = districts.merge(parts[period].drop_duplicates(), on=period)
        frames.append(parts.assign(weight=1.0, kind=grain))
        frames.append(wholes.assign(weight=-1.0, kind=grain))
    members = pd.concat(frames, ignore_index=True)
    members["equation"] = members.groupby(["kind", *period], sort=False).ngroup()
    return members


def _known_sums(cells: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Return the members of the equations whose total is no cell, but published all the same."""
    known = parts[parts["whole"].isna()]
    members = cells.reset_index(names="cell").merge(known, on="kpi")
    if "is_hidden" in members:
        members = members[~members["is_hidden"].astype(bool)]
    keys = [column for column in CELL if column != "kpi"]
    members["equation"] = members.groupby(["sum", *keys], sort=False).ngroup()
    return members


def _tie(parts: pd.DataFrame, whole: dict[str, str], kind: str | None = None) -> pd.DataFrame:
    """Return the parts (column cell) with the key of the cell that they are parts of.

    whole: what the whole's key has instead: a value, or a column of `parts`. Parts of one whole
    that differ in `kind` add up to it apart from each other.
    """
    parts = parts.assign(kind=parts[kind] if kind else "", weight=parts.get("weight", 1.0))
    for column, value in whole.items():
        parts[column] = parts.get(value, value)
    return parts[["cell", "kind", "weight", *CELL]]


def hidden_values(
    values: pd.DataFrame, definitions: pd.DataFrame, structure: Structure, min_n: int
) -> pd.DataFrame:
    """Return the values (same index) of which something is hidden, and what.

    values: CELL, student_count and numerator_student_count (NaN: the KPI counts no students there).
    definitions: kpi, unit, suppression_family (KPIs that share a denominator), is_student_share.
    Returns hides_denominator and hides_numerator; who hides the denominator hides the numerator.
    Raises DistrictError when a KPI has no definition, and is no letter.
    """
    definitions, parts = _with_letters(values["kpi"].unique(), definitions, structure.parts)
    structure = Structure(
        *(one.sort_values([*one]) for one in (structure.districts, structure.sections, parts))
    )
    # In one order, whatever the rows came in: the same release hides the same cells.
    values = values.sort_values(CELL)
    values = values.merge(definitions, on="kpi", how="left").set_axis(values.index)
    hidden = pd.DataFrame(
        False, index=values.index, columns=["hides_denominator", "hides_numerator"]
    )
    groups = _tied_kpis(definitions["kpi"], parts)
    values = values.dropna(subset=["student_count"])
    # One order for all families, so that the same cells of like families protect each other.
    values = values.assign(size=values.groupby(CELL[1:])["student_count"].transform("max"))
    for _, family in values.groupby(["suppression_family", "school_year"]):
        cells = _denominators(family, structure, min_n)
        key = CELL[1:]
        family["is_hidden"] = family[key].merge(cells, "left", key)["is_hidden"].to_numpy()
        hidden.loc[family.index, "hides_denominator"] = family["is_hidden"]
        hidden.loc[family.index, "hides_numerator"] = family["is_hidden"]
        counted = family[family["unit"] != COUNT].dropna(subset=["numerator_student_count"])
        for _, numerators in counted.groupby(counted["kpi"].map(groups)):
            found = _hidden_numerators(numerators, structure, min_n)
            hidden.loc[numerators.index, "hides_numerator"] = found
    return hidden[hidden.any(axis=1)]


def _with_letters(
    kpis: Iterable[str], definitions: pd.DataFrame, parts: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the definitions and parts with those of letters on no scale, as of any other letter.

    Raises DistrictError when another KPI has no definition.
    """
    unknown = sorted(set(kpis) - set(definitions["kpi"]))
    letters = definitions[definitions["kpi"].str.startswith(LETTER)].head(1)
    others = [kpi for kpi in unknown if letters.empty or not kpi.startswith(LETTER)]
    if others:
        raise DistrictError(
            f"KPIs without a definition cannot be published: {', '.join(others)}",
            "add a row of each to seeds/kpi_definitions.csv, then: district build",
        )
    if not unknown:
        return definitions, parts
    added = letters.loc[letters.index.repeat(len(unknown))].assign(kpi=unknown)
    results = pd.DataFrame({"kpi": unknown, "whole": None, "weight": 1.0, "sum": RESULTS})
    return pd.concat([definitions, added]), pd.concat([parts, results])


def _tied_kpis(kpis: pd.Series, parts: pd.DataFrame) -> dict[str, int]:
    """Return the number of the group of KPIs, tied by their numerators, that each is in."""
    wholes = parts["whole"].fillna(parts["sum"])
    number = {name: place for place, name in enumerate(dict.fromkeys([*kpis, *wholes]))}
    ties = (parts["kpi"].map(number), wholes.map(number))
    graph = csr_array((np.ones(len(parts)), ties), shape=(len(number), len(number)))
    return dict(zip(number, connected_components(graph)[1], strict=True))


def _denominators(values: pd.DataFrame, structure: Structure, min_n: int) -> pd.DataFrame:
    """Return the cells (CELL less kpi) that the KPIs share, and whether each is_hidden."""
    counts = values.groupby(CELL[1:], sort=False).agg(
        smallest=("student_count", "min"), students=("student_count", "max"), size=("size", "max")
    )
    cells = counts.index.to_frame(index=False).assign(kpi=WHOLE)
    smallest, students, size = (counts[name].to_numpy(dtype=float) for name in counts)
    is_small = primary([smallest, students], min_n)
    equations, worth = equations_of(cells, structure), worth_of(cells)
    is_hidden = protect(equations, students, is_small, min_n, worth, size)
    return cells.assign(is_hidden=is_hidden)


def coded_values(
    values: pd.DataFrame, definitions: pd.DataFrame, bottom: float, top: float
) -> pd.Series:
    """Return 'high' or 'low' for the shares of students above `top` or below `bottom`.

    values: kpi and value. Only coded values are in the result, by their index.
    """
    shares = definitions.loc[definitions["is_student_share"].astype(bool), "kpi"]
    rates = values.loc[values["kpi"].isin(shares), "value"]
    coded = pd.Series(np.select([rates > top, rates < bottom], ["high", "low"], ""), rates.index)
    return coded[coded != ""]


def _of_few(cells: pd.DataFrame) -> Array:
    """Return which cells are of few readers: whole sections, teachers, weeks."""
    found: Array = (cells["grain"].isin(OF_FEW) & (cells["subgroup_type"] == WHOLE)).to_numpy()
    return found


def _together(values: pd.DataFrame, hidden: Array) -> Array:
    """Return the parts of a KPI of which one is hidden, in cells of few readers and subgroups.

    There they are mostly small; hidden one by one, what protects them would spread to larger ones.
    """
    of_few = _of_few(values) | (values["subgroup_type"] != WHOLE).to_numpy()
    some = pd.Series(hidden).groupby([values[name] for name in CELL[1:]], sort=False)
    together: Array = of_few & some.transform("any").to_numpy()
    return together


def _hidden_numerators(values: pd.DataFrame, structure: Structure, min_n: int) -> Array:
    """Return which numerators are hidden; those whose denominator is (is_hidden) among them."""
    values = values.reset_index(drop=True)
    counted = values["numerator_student_count"].to_numpy(dtype=float)
    others = values["student_count"].to_numpy(dtype=float) - counted
    is_share = values["is_student_share"].to_numpy(dtype=bool)
    groups = [counted, np.where(is_share, others, 0.0)]
    hidden = values["is_hidden"].to_numpy(dtype=bool) | primary(groups, min_n)
    hidden |= _together(values, hidden)
    equations, worth = equations_of(values, structure), worth_of(values)
    present = (values["student_count"] > 0).to_numpy()
    amounts = [counted, np.where(is_share, others, 1.0)]
    is_large = values["kpi"].nunique() > 1 or len(values) > MOST_CELLS
    details = _of_few(values) & is_large
    known = -1
    while hidden.sum() > known:
        known = hidden.sum()
        for group in groups:
            if group.any():
                hidden = protect(
                    equations,
                    group,
                    hidden,
                    min_n,
                    worth,
                    present=present,
                    amounts=amounts,
                    details=details,
                )
    return hidden
