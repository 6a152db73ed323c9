"""Words of the synthetic district: made-up lists, combined by hash; no row is a real person."""

GIVEN_FEMALE = [
    "Amara", "Beatriz", "Chloé", "Daniela", "Elif", "Fatima", "Grace", "Hana", "Imani", "Jasmine",
    "Keiko", "Leila", "Mei", "Naomi", "Olivia", "Priya", "Quinn", "Renée", "Sofia", "Thandi",
    "Uma", "Valentina", "Willow", "Ximena", "Yara", "Zoë", "Aaliyah", "Brooke", "Camila", "Destiny",
    "Emma", "Freya", "Giulia", "Harper", "Ingrid", "Joy", "Kiara", "Lucía", "Mary-Kate", "Nevaeh",
]  # fmt: skip
GIVEN_MALE = [
    "Aiden", "Benjamin", "Carlos", "Darius", "Elijah", "Felix", "Gabriel", "Hugo", "Isaac", "José",
    "Kai", "Liam", "Mateo", "Noah", "Omar", "Pedro", "Quentin", "Rafael", "Samuel", "Tomás",
    "Umar", "Victor", "Wei", "Xavier", "Yusuf", "Zachary", "Andrés", "Bao", "Caleb", "DeShawn",
    "Ethan", "Finn", "George", "Haruto", "Ivan", "Jamal", "Kenji", "Luis", "Malik", "Nikhil",
]  # fmt: skip
FAMILY = [
    "Abbott", "Adeyemi", "Alvarez", "Andersen", "Baker", "Begay", "Bianchi", "Brooks", "Castillo",
    "Chaudhry", "Chen", "Cooper", "D'Angelo", "Delgado", "Diallo", "Dubois", "Edwards", "Espinoza",
    "Fischer", "Flores", "Foster", "García", "Goldberg", "Gomez", "Grant", "Gupta", "Haddad",
    "Hansen", "Harris", "Hernández", "Hughes", "Ibrahim", "Ito", "Jackson", "Jensen", "Kaplan",
    "Kaur", "Kelly", "Kim", "Kowalski", "Lambert", "Lee", "Lindqvist", "Lopez", "MacLeod", "Mbeki",
    "Mendoza", "Miller", "Morales", "Müller", "Murphy", "Nakamura", "Nguyen", "Nielsen", "Novak",
    "O'Brien", "O'Connor", "Okafor", "Ortega", "Osei", "Parker", "Patel", "Peña", "Petrov",
    "Ramírez", "Reyes", "Rivera", "Robinson", "Rossi", "Ruiz", "Sanders", "Santos", "Schmidt",
    "Shah", "Silva", "Smith-Rowe", "Sokolov", "Tanaka", "Taylor", "Torres", "Tran", "Turner",
    "Vargas", "Vega-Cruz", "Walker", "Washington", "Weber", "Wong", "Wright", "Yazzie", "Zhang",
]  # fmt: skip
ACCENTS = ("áéíóúñüëçãö", "aeiounuecao")

PLACE_FIRST = [
    "Maple", "Cedar", "Willow", "Granite", "Harbor", "Prairie", "Falcon", "Heron", "Juniper",
    "Aspen", "Birch", "Canyon", "Clover", "Copper", "Crescent", "Dogwood", "Eagle", "Elm", "Fern",
    "Garnet", "Hawthorn", "Hickory", "Indigo", "Iris", "Lark", "Laurel", "Magnolia", "Meadow",
    "Mesa", "Oak", "Orchard", "Osprey", "Pine", "Poplar", "Quail", "Redwood", "Sage", "Spruce",
    "Sycamore", "Walnut", "Wren",
]  # fmt: skip
PLACE_SECOND = [
    "Grove", "Ridge", "Valley", "Creek", "Hill", "Lake", "Park", "Field", "Bay", "Bend", "Bluff",
    "Bridge", "Brook", "Cliff", "Crossing", "Dale", "Falls", "Flats", "Ford", "Forest", "Gate",
    "Glen", "Haven", "Heights", "Hollow", "Island", "Knoll", "Landing", "Mill", "Point", "Pond",
    "Rock", "Run", "Shore", "Spring", "Terrace", "View",
]  # fmt: skip
REGIONS = ["North", "East", "South", "West", "Central"]

SEX = ["female"] * 98 + ["male"] * 98 + ["other"] * 2 + ["unspecified"] * 2
RACE_ETHNICITY = (
    ["white"] * 43
    + ["hispanic"] * 28
    + ["black"] * 15
    + ["asian"] * 6
    + ["two_or_more"] * 5
    + ["american_indian"] * 2
    + ["pacific_islander"] * 1
)

# code -> raw subject, difficulty (in units of ability), topics
SUBJECTS: dict[str, tuple[str, float, list[str]]] = {
    "ELA": ("English Language Arts", 0.05, [
        "Main idea and details", "Characters and setting", "Opinion writing", "Poetry",
        "Research and sources", "Point of view",
    ]),
    "MAT": ("Mathematics", 0.30, [
        "Number sense", "Fractions and ratios", "Patterns and functions", "Shapes and area",
        "Data and graphs", "Word problems",
    ]),
    "SCI": ("Science", 0.15, [
        "Asking testable questions", "Forces and motion", "Cells and living things", "Weather",
        "Matter and its changes", "Energy",
    ]),
    "SOC": ("Social Studies", 0.05, [
        "Maps and regions", "Communities and rules", "Trade and work", "Primary sources",
        "Rights and duties", "Migration",
    ]),
    "LAN": ("World Languages", 0.10, [
        "Greetings", "Family and home", "Food and shopping", "Past and present",
        "Travel plans", "Festivals",
    ]),
    "ART": ("Visual Arts", -0.40, [
        "Line and shape", "Color", "Portrait", "Collage", "Perspective", "Printmaking",
    ]),
    "MUS": ("Music", -0.40, [
        "Rhythm", "Singing in parts", "Reading notes", "Instruments", "Folk songs", "Composing",
    ]),
    "PED": ("Physical Education", -0.55, [
        "Warm-up and stretching", "Ball skills", "Endurance", "Team play", "Fitness plan",
        "Healthy habits",
    ]),
    "TEC": ("Computer Science", -0.10, [
        "Algorithms", "Loops", "Data and privacy", "Debugging", "Web pages", "Sensors",
    ]),
}  # fmt: skip

COMMENTS = {
    "A": [
        "Excellent work: accurate, complete and well explained.",
        "Outstanding understanding; keep challenging yourself.",
        "Shows mastery of this unit and helps others learn.",
        "Superb effort and very careful work.",
        "Consistently excellent. Well done!",
    ],
    "B": [
        "Good work; a few details to check next time.",
        "Solid understanding with small mistakes.",
        "Good effort. Explain your steps a little more.",
        "Well prepared; review the last part once more.",
        "Good progress in this unit.",
    ],
    "C": [
        "Satisfactory; review the main ideas of this unit.",
        "Understands the basics, needs more practice.",
        "Fair work. Please come to help hour with questions.",
        "Some good parts, some gaps to close.",
        "Meets the basic goals; more care would raise this.",
    ],
    "D": [
        "Below expectations; please correct and ask for help.",
        "Important gaps remain. Tutoring is recommended.",
        "Needs much more practice with the basics.",
        "Incomplete understanding; let us make a plan together.",
        "Struggled with this; please review the notes.",
    ],
    "F": [
        "Did not meet the goals; please see me for support.",
        "Not passing yet. A family conference is recommended.",
        "Most parts are missing or incorrect; retake is possible.",
        "Needs urgent help with this unit.",
        "Not yet at the required level; a support plan is needed.",
    ],
}
MISSING_COMMENTS = [
    "Missing. Please hand this in as soon as you can.",
    "Not handed in; see me about making it up.",
    "Missing work; it counts as zero for now.",
]

ROUTINE_CHANNELS = ["email"] * 6 + ["phone"] * 3 + ["portal"] * 4 + ["meeting"] * 2
OUTCOMES = {
    "email": ["delivered"] * 7 + ["answered"] * 3 + ["bounced"],
    "phone": ["reached"] * 5 + ["left message"] * 4 + ["no answer"] * 2,
    "portal": ["read"] * 6 + ["unread"] * 3,
    "meeting": ["attended"] * 6 + ["rescheduled"] * 2 + ["did not attend"],
}
INCIDENT_CATEGORIES = {
    "minor": ["disruption", "disruption", "dress code", "phone use", "skipping class"],
    "moderate": ["disrespect", "disrespect", "skipping class", "vandalism", "bullying"],
    "severe": ["fighting", "fighting", "bullying", "substance use", "threat"],
}
HOMEWORK_FILES = ["pdf"] * 8 + ["docx"] * 6 + ["jpg"] * 3 + ["pptx"] * 2 + ["mp4"]


def courses_by_grade() -> list[tuple[str, int, int, str, str, str | None, str | None, float]]:
    """Return one row per stage, grade and slot: what is taught there.

    stage, grade (KG = 0), slot, subject code, course name, advanced course name, advanced level
    (both null where all students take the same), credits.
    """
    rows: list[tuple[str, int, int, str, str, str | None, str | None, float]] = []
    for grade in range(6):
        label = "Kindergarten" if grade == 0 else f"Grade {grade}"
        names = ["Reading and Writing", "Mathematics", "Science", "Social Studies", "Art", "PE"]
        for slot, (code, name) in enumerate(
            zip(("ELA", "MAT", "SCI", "SOC", "ART", "PED"), names, strict=True)
        ):
            rows.append(("elementary", grade, slot, code, f"{name}, {label}", None, None, 1.0))
    for grade in range(6, 9):
        for slot, code, name in MIDDLE_SLOTS:
            title = f"{name} {grade}"
            honors = f"Honors {title}" if slot in (0, 1) else None
            level = "honors" if honors else None
            credit = 0.5 if slot in (6, 7) else 1.0
            rows.append(("middle", grade, slot, code, title, honors, level, credit))
    for slot, code, names_by_grade, advanced in HIGH_SLOTS:
        for index, name in enumerate(names_by_grade):
            other = advanced[index] if advanced else None
            level = ("ap" if other.startswith("AP ") else "honors") if other else None
            credit = 0.5 if slot in (6, 7) else 1.0
            rows.append(("high", 9 + index, slot, code, name, other, level, credit))
    return rows


MIDDLE_SLOTS = [
    (0, "ELA", "English"),
    (1, "MAT", "Math"),
    (2, "SCI", "Science"),
    (3, "SOC", "Social Studies"),
    (4, "LAN", "Spanish"),
    (5, "PED", "Physical Education"),
    (6, "ART", "Art"),
    (7, "TEC", "Coding"),
]
HIGH_SLOTS: list[tuple[int, str, list[str], list[str] | None]] = [
    (0, "ELA", ["English 9", "English 10", "American Literature", "World Literature"],
     ["Honors English 9", "Honors English 10", "AP English Language", "AP English Literature"]),
    (1, "MAT", ["Algebra I", "Geometry", "Algebra II", "Precalculus"],
     ["Honors Geometry", "Honors Algebra II", "AP Statistics", "AP Calculus AB"]),
    (2, "SCI", ["Biology", "Chemistry", "Physics", "Environmental Science"],
     ["Honors Biology", "Honors Chemistry", "AP Physics 1", "AP Biology"]),
    (3, "SOC", ["World Geography", "World History", "US History", "Civics and Economics"],
     ["Honors Geography", "Honors World History", "AP US History", "AP US Government"]),
    (4, "LAN", ["Spanish I", "Spanish II", "Spanish III", "Spanish IV"], None),
    (5, "PED", ["PE and Health 9", "PE and Health 10", "Fitness", "Lifetime Sports"], None),
    (6, "ART", ["Drawing", "Painting", "Ceramics", "Studio Art"], None),
    (7, "TEC", ["Intro to Computing", "Web Design", "Robotics", "Data Science"], None),
]  # fmt: skip

# A small school: three teachers (humanities, sciences, arts and sport) with three courses each.
# slot, subject code, credits, then name and level per stage
SMALL_SLOTS: list[tuple[int, str, float, dict[str, tuple[str, str]]]] = [
    (0, "ELA", 1.0, {"elementary": ("Reading and Writing", "regular"),
                     "middle": ("English", "regular"), "high": ("English", "honors")}),
    (1, "SOC", 1.0, {"elementary": ("Our Community", "regular"),
                     "middle": ("Social Studies", "regular"), "high": ("AP US History", "ap")}),
    (2, "LAN", 1.0, {"elementary": ("First Spanish", "regular"),
                     "middle": ("Spanish I", "regular"), "high": ("Spanish III", "honors")}),
    (3, "MAT", 1.0, {"elementary": ("Mathematics", "regular"),
                     "middle": ("Honors Algebra", "honors"), "high": ("Algebra II", "regular")}),
    (4, "SCI", 1.0, {"elementary": ("Science", "regular"),
                     "middle": ("Life Science", "regular"), "high": ("AP Biology", "ap")}),
    (5, "TEC", 1.0, {"elementary": ("First Coding", "regular"),
                     "middle": ("Coding", "regular"), "high": ("Computer Science", "honors")}),
    (6, "ART", 0.5, {"elementary": ("Art", "regular"),
                     "middle": ("Art", "regular"), "high": ("Studio Art", "regular")}),
    (7, "MUS", 0.5, {"elementary": ("Music", "regular"),
                     "middle": ("Band", "regular"), "high": ("Choir", "regular")}),
    (8, "PED", 1.0, {"elementary": ("PE", "regular"),
                     "middle": ("Physical Education", "regular"), "high": ("Fitness", "regular")}),
]  # fmt: skip
