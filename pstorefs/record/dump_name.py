"""Which names pstorefs gives to dumps (dump/__init__.py has the rule).

Nothing is imported here: most runs of `pstorefs --ship` look at names and at little else.
"""


def is_given(directory: str) -> bool:
    """Whether a directory of an archive has the name of a dump.

    One that is not may be a copy that somebody made: it is not shipped, counted or removed.
    """
    time, _, rest = directory.partition("-")
    dated = len(time) == 16 and time[8::7] == "TZ" and f"{time[:8]}{time[9:15]}".isdigit()
    words = rest.replace("-", "").replace("_", "")
    return directory.isascii() and words.isalnum() and (dated or time == "undated")
