"""What replacements do inside a line, character by character."""

from collections.abc import Sequence

from prox.program import Replace


def places_left(line: str, number: int, replacements: Sequence[Replace]) -> Sequence[int]:
    """Which characters of line `number` its replacements leave; what a target invents has no place in it.

    >>> list(places_left("It rains. [edit]", 3, [Replace(" [edit]", first=3, last=3)]))
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """
    places: Sequence[int] = range(len(line))
    text = line
    for each in replacements:
        if (each.first or 0) > number or (each.last is not None and each.last < number) or each.source not in text:
            continue
        left: list[int] = []
        position = 0
        while (hit := text.find(each.source, position)) >= 0:
            left += places[position:hit]
            inside, position = hit, hit + len(each.source)
            for character in each.target:
                found = text.find(character, inside, position)
                if found >= 0:
                    left.append(places[found])
                    inside = found + 1
        places = [*left, *places[position:]]
        text = "".join([line[place] for place in places])
    return places
