"""Schools, terms and people of a synthetic district.

A student is a place in the district: zone, rank and the year of kindergarten give the number, and
with it, by hash, everything else. So a student's later rows need no join, and no year needs the
rows of the year before.

What students are like (units of standard deviations): `ability` drifts from year to year,
`effort` leans on ability (0.4), `attends` and `behaves` lean on effort (0.5, 0.6). Economic
disadvantage lowers the mean of ability by 0.2 and of attendance by 0.3, as absence for reasons of
health and transport does; race, sex, language and disability change nothing.
"""

from math import ceil

from pyspark.sql import DataFrame, SparkSession

from python_jobs.landing.synthetic_plan import GRADES, Dice, District, Export, literal, small_table
from python_jobs.landing.synthetic_words import (
    ACCENTS,
    FAMILY,
    GIVEN_FEMALE,
    GIVEN_MALE,
    PLACE_FIRST,
    PLACE_SECOND,
    RACE_ETHNICITY,
    REGIONS,
    SEX,
)

STAGES = ("elementary", "middle", "high", "elementary", "high")  # of the schools of a zone
COURSES_PER_TEACHER = 5
ENGLISH_LEARNERS = 0.12  # of the students, at first
LEAVERS = 0.05  # of the students, over all years
RETURNERS = 0.45  # of the leavers, a year later
# Changes per year, and per night among the students chosen for it.
YEARLY = {"move": 0.03, "rename": 0.02, "learner": 0.02, "iep": 0.02, "disadvantage": 0.04}
NIGHTLY = {"move": 0.06, "rename": 0.03, "learner": 0.03, "iep": 0.03, "disadvantage": 0.03}


def school_id(district: District, number: str) -> str:
    return f"concat('sch-', lpad({number} + 1, {district.school_digits}, '0'))"


def _ascii(name: str) -> str:
    plain = f"translate(lower({name}), {literal(ACCENTS[0])}, {literal(ACCENTS[1])})"
    return f"regexp_replace({plain}, '[^a-z]', '')"


def _phone(dice: Dice, tag: str, key: str) -> str:
    area = f"lpad(201 + {dice.whole(780, tag + ' area', key)}, 3, '0')"
    return f"concat({area}, '-555-01', lpad({dice.whole(100, tag + ' line', key)}, 2, '0'))"


def _given_name(dice: Dice, tag: str, key: str) -> str:
    female = dice.pick(GIVEN_FEMALE, tag, key)
    male = dice.pick(GIVEN_MALE, tag, key)
    return f"if(sex = 'male', {male}, {female})"


def _place_of(grade: str, rank: str) -> str:
    """Return the SQL number, within a zone, of the place for a grade and a rank in its cohort."""
    return (
        f"case when {grade} < 6 then ({rank} div 2) * 30 + {grade} * 2 + {rank} % 2"
        f" when {grade} < 9 then ({rank} div 2) * 30 + 12 + ({grade} - 6) * 2 + {rank} % 2"
        f" when {grade} < 13 then ({rank} div 3) * 30 + 18 + ({grade} - 9) * 3 + {rank} % 3 end"
    )


def _is_away(export: Export) -> str:
    """Return the SQL condition that a student has left and not yet returned."""
    district, dice = export.district, export.district.dice
    if export.is_first_year:
        return "false"
    first = district.first_school_year + 1
    left = f"({first} + {dice.whole(district.school_years - 1, 'leaves in', 'student_no')})"
    return (
        f"({dice.uniform('leaves', 'student_no')} < {LEAVERS}D"
        f" and ({left} = {export.school_year} or ({left} < {export.school_year}"
        f" and {dice.uniform('returns', 'student_no')} >= {RETURNERS}D)))"
    )


def students(spark: SparkSession, export: Export) -> DataFrame:
    """Return one row per enrolled student: who they are, where they sit, what they are like.

    In a night after a school year's batch: the students chosen for that night only.
    """
    district, dice, year = export.district, export.district.dice, export.school_year
    zones, units = district.zones, district.units
    first_cohort = district.first_school_year - 12
    seats = spark.range(0, district.students, 1, district.partitions).selectExpr(
        f"id % {zones} as zone",
        f"id div {zones} as zone_seat",
        "zone_seat div 30 as unit",
        "zone_seat % 30 as place",
        "case when place < 12 then place div 2 when place < 18 then 6 + (place - 12) div 2"
        " else 9 + (place - 18) div 3 end as grade",
        "if(place < 18, 2, 3) as lanes",
        "if(place < 18, place % 2, (place - 18) % 3) as lane",
        "unit * lanes + lane as rank",
        f"{year} - grade as cohort",
        f"1 + ((cohort - {first_cohort}) * {3 * units} + rank) * {zones} + zone as student_no",
    )
    seats = seats.where(f"not {_is_away(export)}")
    if export.night:
        seats = seats.where(export.is_chosen())

    def changes(tag: str) -> str:
        by_year = export.changes_by_year(tag, YEARLY[tag], "student_no")
        by_night = export.changes_by_night(tag, NIGHTLY[tag])
        # In the nights of one school year a student moves at most once.
        return f"{by_year} + least({by_night}, 1)" if tag == "move" else f"{by_year} + {by_night}"

    small_household = "1 + school_no * 150 + school_seat div 2"
    siblings = f"{dice.uniform('siblings', 'zone', 'rank', 'cohort div 3')} < 0.45D"
    eldest = f"((cohort div 3 - {first_cohort} div 3) * {3 * units} + rank) * {zones} + zone"
    household = f"if({siblings}, 2 * ({eldest}) + 1, 2 * student_no)"
    placed = seats.selectExpr(
        "*",
        "case when grade < 6 then 'elementary' when grade < 9 then 'middle' else 'high' end"
        " as stage",
        "case when grade < 6 then 0 when grade < 9 then 6 else 9 end as first_grade",
        "if(stage = 'middle', 1, 2) as sides",
        f"{changes('move')} as moves",
        f"((zone + if(stage = 'middle', moves, 0)) % {zones}) * 5 + case when stage = 'middle'"
        " then 1 when (rank + cohort + moves) % 2 = 0 then if(stage = 'high', 2, 0)"
        " else if(stage = 'high', 4, 3) end as school_no",
        "rank div sides as place_in_grade",
        "unit * 6 + ((grade - first_grade) * lanes + lane) div sides as school_seat",
        f"concat('stu-', lpad(student_no, {district.student_digits}, '0')) as student_id",
        f"{school_id(district, 'school_no')} as school_id",
        f"{household if district.has_families else small_household} as household",
    )
    is_poor_at_first = f"({dice.uniform('disadvantaged', 'student_no')} < 0.40D)"
    return district.cut(placed).selectExpr(
        "*",
        "if(grade = 0, 'KG', lpad(grade, 2, '0')) as grade_level",
        f"pmod(int({is_poor_at_first}) + {changes('disadvantage')}, 2) = 1 as is_disadvantaged",
        f"{dice.normal('ability', 'student_no')} as talent",
        f"0.92D * talent + 0.39D * {dice.normal('drift', 'student_no', str(year))}"
        f" - 0.2D * int({is_poor_at_first}) as ability",
        f"0.4D * talent + 0.92D * {dice.normal('effort', 'student_no')} as effort",
        f"0.5D * effort + 0.87D * {dice.normal('attends', 'student_no')}"
        f" - 0.3D * int({is_poor_at_first}) as attends",
        f"0.6D * effort + 0.8D * {dice.normal('behaves', 'student_no')} as behaves",
        f"{changes('rename')} as renames",
        f"{changes('learner')} as learner_changes",
        f"{changes('iep')} as iep_changes",
    )


def guardian_count(district: District) -> str:
    """Return the SQL number of guardians of a household."""
    if not district.has_families:
        return "1"
    draw = district.dice.uniform("guardians", "household")
    return f"case when {draw} < 0.03D then 0 when {draw} < 0.42D then 1 else 2 end"


def guardian_id(district: District, position: str) -> str:
    digits = district.student_digits + int(district.has_families)
    return f"concat('par-', lpad(household, {digits}, '0'), '-', {position})"


def schools(spark: SparkSession, export: Export) -> DataFrame:
    """Return the district and its schools; each year after the first, one school is renamed."""
    district, dice = export.district, export.district.dice
    renames = [
        f"int(school_no = {dice.whole(district.schools, 'school renamed', str(year))})"
        for year in range(district.first_school_year + 1, export.school_year + 1)
    ]
    first, second = len(PLACE_FIRST), len(PLACE_SECOND)
    grades = " ".join(
        f"when '{stage}' then {literal(['KG' if g == 0 else f'{g:02d}' for g in span])}"
        for stage, span in GRADES.items()
    )
    office = spark.sql(
        "select 'dst-01' as id, 'Meadowbrook Unified School District' as name, 'district' as"
        " school_type, cast(null as string) as region, cast(null as string) as parent_id,"
        f" {literal([f'{g:02d}' if g else 'KG' for g in range(13)])} as grades,"
        f" {export.roster_at} as effective_at"
    )
    return office.unionByName(
        spark.range(0, district.schools, 1, 1)
        .selectExpr(
            "id as school_no",
            f"get({literal(STAGES)}, cast(id % 5 as int)) as stage",
            f"school_no + 700 * ({' + '.join(['0', *renames])}) as name_no",
        )
        .selectExpr(
            f"{school_id(district, 'school_no')} as id",
            f"concat(get({literal(PLACE_FIRST)}, cast(name_no % {first} as int)), ' ',"
            f" get({literal(PLACE_SECOND)},"
            f" cast((name_no * 7 + name_no div {first}) % {second} as int)), ' ',"
            " initcap(stage), ' School') as name",
            "'school' as school_type",
            f"get({literal(REGIONS)}, cast(school_no div 5 % {len(REGIONS)} as int)) as region",
            "'dst-01' as parent_id",
            f"case stage {grades} end as grades",
            f"{export.roster_at} as effective_at",
        )
    )


def terms(spark: SparkSession, export: Export) -> DataFrame:
    year, parts = export.school_year, export.calendar.terms
    whole = f"trm-{year}"
    start, end = parts[0].start, parts[-1].end
    rows: list[tuple[object, ...]] = [
        (whole, f"{year - 1}-{year}", "schoolYear", None, year, start, end)
    ]
    rows += [(t.id, t.name, t.kind, whole, year, t.start, t.end) for t in parts]
    return small_table(
        spark, "id, name, term_type, parent_id, school_year, start_date, end_date", rows
    )


def teachers_per_school(district: District, stage: str) -> int:
    """Return how many teachers a school has; `teacher_number` deals the courses out to them."""
    if district.is_small:
        return 3
    sections = sum(district.sections(stage))
    if stage == "elementary":
        return 8 * sections  # a homeroom teacher per section, and two specialists per six
    return 7 * ceil(len(GRADES[stage]) * sections / COURSES_PER_TEACHER)


def teacher_number(district: District) -> str:
    """Return the SQL number of a course's teacher within the school: 0, 1, ...

    Reads stage, grade, slot and section (0, 1, ... over regular, then advanced sections).
    """
    if district.is_small:
        return "slot div 3"
    cases = []
    for stage, grades in GRADES.items():
        sections = sum(district.sections(stage))
        course = f"((grade - {grades[0]}) * {sections} + section)"
        if stage == "elementary":
            special = f"{6 * sections} + (slot - 4) * {sections} + {course} div 6"
            number = f"if(slot < 4, {course}, {special})"
        else:
            department = ceil(len(grades) * sections / COURSES_PER_TEACHER)
            number = f"least(slot, 6) * {department} + {course} div {COURSES_PER_TEACHER}"
        cases.append(f"when '{stage}' then {number}")
    return f"case stage {' '.join(cases)} end"


def teacher_id(district: District, school: str, number: str) -> str:
    digits = district.school_digits
    return f"concat('tea-', lpad({school} + 1, {digits}, '0'), '-', lpad({number} + 1, 3, '0'))"


def staff(spark: SparkSession, export: Export) -> DataFrame:
    """Return one row per member of the staff: teachers, a clerk, and in larger schools more."""
    district, dice = export.district, export.district.dice
    offices = {"clerk": "clk", "principal": "pri", "counselor": "cou"}
    if district.is_small:
        offices = {"clerk": "clk"}
    counts = {stage: teachers_per_school(district, stage) for stage in GRADES}
    number_of_teachers = " ".join(f"when '{k}' then {v}" for k, v in counts.items())
    base = spark.range(0, district.schools, 1, 1).selectExpr(
        "id as school_no", f"get({literal(STAGES)}, cast(id % 5 as int)) as stage"
    )
    teachers = base.selectExpr(
        "school_no",
        f"explode(sequence(0, case stage {number_of_teachers} end - 1)) as number",
    ).selectExpr(
        "school_no",
        "'teacher' as role",
        f"{teacher_id(district, 'school_no', 'number')} as id",
    )
    others = base.crossJoin(small_table(spark, "role, prefix", offices.items())).selectExpr(
        "school_no",
        "role",
        f"concat(prefix, '-', lpad(school_no + 1, {district.school_digits}, '0')) as id",
    )
    renames = export.changes_by_year("staff rename", 0.02, "id")
    return (
        teachers.unionByName(others)
        .selectExpr("*", f"{dice.pick(SEX, 'staff sex', 'id')} as sex", f"{renames} as renames")
        .selectExpr(
            "*",
            f"{_given_name(dice, 'staff given', 'id')} as given_name",
            f"{dice.pick(FAMILY, 'staff family', 'id', '0')} as first_family_name",
            f"{dice.pick(FAMILY, 'staff family', 'id', 'renames')} as family_name",
            f"concat({_ascii('given_name')}, '.', {_ascii('first_family_name')}, '.',"
            " replace(id, '-', '')) as username",
            "concat(username, '@example.edu') as email",
            f"{_phone(dice, 'staff phone', 'id')} as phone",
            f"{school_id(district, 'school_no')} as school_id",
        )
    )


USER_COLUMNS = [
    "id", "role", "school_id", "username", "given_name", "family_name", "email", "phone",
    "grade_level", "birth_date", "sex", "race_ethnicity", "is_english_learner", "has_iep",
    "is_economically_disadvantaged", "is_active", "effective_at",
]  # fmt: skip


def student_users(
    frame: DataFrame, export: Export, is_active: bool, effective_at: str
) -> DataFrame:
    """Return the user rows of a frame of `students`."""
    dice = export.district.dice
    family = dice.pick(FAMILY, "family", "household")
    return (
        frame.selectExpr("*", f"{dice.pick(SEX, 'sex', 'student_no')} as sex")
        .selectExpr(
            "student_id as id",
            "'student' as role",
            "school_id",
            f"if({dice.uniform('own name', 'student_no')} < 0.15D,"
            f" {dice.pick(FAMILY, 'own family', 'student_no')}, {family}) as first_family_name",
            f"{_given_name(dice, 'given', 'student_no')} as given_name",
            "if(renames = 0, first_family_name,"
            f" {dice.pick(FAMILY, 'new family', 'student_no', 'renames')}) as family_name",
            f"concat({_ascii('given_name')}, '.', {_ascii('first_family_name')}, '.', student_no)"
            " as username",
            "concat(username, '@example.edu') as email",
            "cast(null as string) as phone",
            "grade_level",
            "date_add(make_date(cast(cohort - 7 as int), 9, 1),"
            f" {dice.whole(365, 'birthday', 'student_no')}) as birth_date",
            "sex",
            f"{dice.pick(RACE_ETHNICITY, 'race', 'student_no')} as race_ethnicity",
            f"pmod(int({dice.uniform('learner', 'student_no')} < {ENGLISH_LEARNERS}D)"
            " + learner_changes, 2) = 1"
            " as is_english_learner",
            f"pmod(int({dice.uniform('iep', 'student_no')} < 0.14D) + iep_changes, 2) = 1"
            " as has_iep",
            "is_disadvantaged as is_economically_disadvantaged",
            f"{str(is_active).lower()} as is_active",
            f"{effective_at} as effective_at",
        )
        .select(*USER_COLUMNS)
    )


def leavers(spark: SparkSession, export: Export) -> DataFrame:
    """Return last year's students (as they were) who graduated, or are away this year."""
    district = export.district
    next_place = _place_of("(grade + 1)", "rank")
    goes_on = (
        f"coalesce(({next_place}) * {district.zones} + zone < {district.students}, false)"
        f" and not {_is_away(export)}"
    )
    return students(spark, export.year_before()).where(f"not ({goes_on})")


def guardians(spark: SparkSession, export: Export) -> DataFrame:
    """Return the user rows of parents and other guardians, one per household and position."""
    district, dice = export.district, export.district.dice
    if district.has_families:
        role = dice.pick(["parent"] * 46 + ["guardian"] * 3 + ["relative"], "role", "id")
    else:
        role = "'parent'"
    no_contact = f"{dice.uniform('no contact', 'id')} < 0.03D"
    return (
        students(spark, export)
        .selectExpr(
            "household",
            "school_id",
            f"explode(slice(array(1, 2), 1, {guardian_count(district)})) as position",
        )
        .groupBy("household", "position")
        .agg({"school_id": "min"})
        .withColumnRenamed("min(school_id)", "school_id")
        .selectExpr(
            "*",
            f"{guardian_id(district, 'position')} as id",
            f"if({dice.uniform('parent sex', 'id')} < if(position = 1, 0.75D, 0.3D), 'female',"
            " 'male') as sex",
            f"{role} as role",
            f"{_given_name(dice, 'parent given', 'id')} as given_name",
            f"if({dice.uniform('parent name', 'id')} < 0.2D,"
            f" {dice.pick(FAMILY, 'parent family', 'id')},"
            f" {dice.pick(FAMILY, 'family', 'household')}) as family_name",
            f"concat({_ascii('given_name')}, '.', {_ascii('family_name')}, '.',"
            " replace(id, '-', '')) as username",
            f"if({no_contact} or {dice.uniform('no email', 'id')} < 0.06D, null,"
            " concat(username, '@example.org')) as email",
            f"if({no_contact} or {dice.uniform('no phone', 'id')} < 0.08D, null,"
            f" {_phone(dice, 'parent phone', 'id')}) as phone",
            "true as is_active",
            f"{export.roster_at} as effective_at",
        )
        .drop("household", "position")
    )


def users(spark: SparkSession, export: Export) -> DataFrame:
    """Return everybody's row; in a night: the chosen students whose profile changed in it."""
    if export.night:
        changed = " or ".join(
            f"({export.is_changed_tonight(tag, rate)})" for tag, rate in NIGHTLY.items()
        )
        night = f"timestamp_seconds({export.as_of_second})"
        return student_users(students(spark, export).where(changed), export, True, night)
    start = export.roster_at
    frame = student_users(students(spark, export), export, True, start)
    if not export.is_first_year:
        gone = leavers(spark, export)
        frame = frame.unionByName(student_users(gone, export.year_before(), False, start))
    employed = staff(spark, export).selectExpr("*", "true as is_active", f"{start} as effective_at")
    for others in (employed, guardians(spark, export)):
        present = [name for name in USER_COLUMNS if name in others.columns]
        frame = frame.unionByName(others.select(*present), allowMissingColumns=True)
    return frame


def affiliations(spark: SparkSession, export: Export) -> DataFrame:
    """Return where people belong: students per school year, the staff for good."""
    district, dice, parts = export.district, export.district.dice, export.calendar.terms
    first_day, after = literal(parts[0].start), f"date_add({literal(parts[-1].end)}, 1)"

    def of_students(frame: DataFrame, begin: str, end: str) -> DataFrame:
        return frame.selectExpr(
            f"concat('aff-{export.school_year}-', student_id, '-', school_id) as id",
            "student_id as user_id",
            "school_id",
            "'student' as role",
            "true as is_primary",
            f"{begin} as begin_date",
            f"{end} as end_date",
        )

    if export.night:
        moved = with_old_school(students(spark, export), export)
        moved = moved.where("school_no != old_school_no")
        day = literal(export.days_so_far[-1])
        old = moved.drop("school_id").withColumnRenamed("old_school_id", "school_id")
        return of_students(old, first_day, day).unionByName(of_students(moved, day, after))
    hired = f"date_sub(date '{district.first_school_year - 1}-08-01', "
    hired += f"{dice.whole(5000, 'hired', 'id')})"
    main = staff(spark, export).selectExpr(
        "concat('aff-', id) as id", "id as user_id", "school_no", "role", "true as is_primary",
        f"{hired} as begin_date",
    )  # fmt: skip
    shared = main.where(f"role = 'teacher' and {dice.uniform('two schools', 'id')} < 0.05D")
    second = shared.selectExpr(
        "concat(id, '-2') as id", "user_id", f"(school_no + 1) % {district.schools} as school_no",
        "role", "false as is_primary", "begin_date",
    )  # fmt: skip
    employed = main.unionByName(second).selectExpr(
        "*", f"{school_id(district, 'school_no')} as school_id", "cast(null as date) as end_date"
    )
    return of_students(students(spark, export), first_day, after).unionByName(
        employed.drop("school_no")
    )


def with_old_school(frame: DataFrame, export: Export) -> DataFrame:
    """Add the school that each of a night's `students` had the evening before."""
    district = export.district
    before = Export(district, export.school_year, export.night - 1, export.changed_share)
    old_moves = (
        f"{before.changes_by_year('move', YEARLY['move'], 'student_no')}"
        f" + least({before.changes_by_night('move', NIGHTLY['move'])}, 1)"
    )
    return frame.selectExpr(
        "*",
        f"{old_moves} as old_moves",
        f"case when stage = 'middle' then ((zone + old_moves) % {district.zones}) * 5 + 1"
        " when old_moves = moves then school_no"
        " when stage = 'elementary' then zone * 5 + 3 - school_no % 5"
        " else zone * 5 + 6 - school_no % 5 end as old_school_no",
        f"{school_id(district, 'old_school_no')} as old_school_id",
    )


def guardianships(spark: SparkSession, export: Export) -> DataFrame:
    """Return who cares for whom; the relationship follows the guardian's role and sex."""
    pairs = students(spark, export).selectExpr(
        "student_id",
        "household",
        f"explode(slice(array(1, 2), 1, {guardian_count(export.district)})) as position",
    )
    dice = export.district.dice
    sex = f"{dice.uniform('parent sex', 'guardian_id')} < if(position = 1, 0.75D, 0.3D)"
    role = (
        dice.pick(["parent"] * 46 + ["guardian"] * 3 + ["relative"], "role", "guardian_id")
        if export.district.has_families
        else "'parent'"
    )
    return pairs.selectExpr(
        "*", f"{guardian_id(export.district, 'position')} as guardian_id"
    ).selectExpr(
        "concat('gdn-', student_id, '-', position) as id",
        "student_id",
        "guardian_id",
        f"case {role} when 'guardian' then 'guardian' when 'relative'"
        f" then if({sex}, 'grandmother', 'grandfather') else if({sex}, 'mother', 'father') end"
        " as relationship",
    )
