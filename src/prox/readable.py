"""Numbers for people to read."""

_NAMES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def short(number: int) -> str:
    """A count in three digits, as it may be written back.

    >>> short(26_000_000_000), short(709_830_144), short(999), short(10**17), short(999_999_999)
    ('26B', '710M', '999', '1e+17', '1B')
    """
    rounded = int(float(f"{number:.2e}"))
    for unit, name in _NAMES:
        if rounded >= unit:
            return f"{rounded / unit:.3g}{name}" if rounded < 10**15 else f"{number:.3g}"
    return str(number)


def duration(seconds: float) -> str:
    """For people: 3 min 20 s.

    >>> duration(200), duration(7_260), duration(100_000)
    ('3 min 20 s', '2 h 1 min', '1 d 3 h')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
