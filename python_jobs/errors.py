"""Errors that a user can mend."""


class DistrictError(Exception):
    """What went wrong and where, in one line, with a hint how to mend it.

    The command line prints both and exits with code 2; a traceback is shown with --debug only.
    Neither text may hold a person's name.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the message and the hint apart, so that each is printed on its own line."""
        super().__init__(message)
        self.message = message
        self.hint = hint


# What Spark and Delta say, by a part of it, and how we say it.
KNOWN = {
    "No space left on device": (
        "the disk is full",
        "free some space, or set WAREHOUSE_DIR to another disk, then run the same again",
    ),
    "DELTA_UNSUPPORTED_FEATURES": (
        "the warehouse was written by a newer Delta version",
        "use that version of this project, or land into a new warehouse (--warehouse FOLDER)",
    ),
    "DELTA_INVALID_PROTOCOL_VERSION": (
        "the warehouse was written by another Delta version",
        "use that version of this project, or land into a new warehouse (--warehouse FOLDER)",
    ),
    "Permission denied": (
        "a file or folder of the warehouse may not be written",
        "give this user the right to write WAREHOUSE_DIR",
    ),
}


def explain(problem: BaseException) -> DistrictError | None:
    """Return our words for a failure of Spark, Delta or the disk that we know, else None."""
    text = str(problem)
    for part, (message, hint) in KNOWN.items():
        if part in text:
            return DistrictError(message, hint)
    return None
