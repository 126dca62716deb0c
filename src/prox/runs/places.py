"""What replacements do inside a line, character by character."""

from collections.abc import Callable, Sequence

from prox.program import Replace


def by_line(replacements: Sequence[Replace]) -> Callable[[int], Sequence[Replace]]:
    """The replacements that may act on a line, in their order; most have one line alone, and a page has many lines.

    >>> of_line = by_line([Replace("a", first=1, last=1), Replace("b"), Replace("c", first=2, last=2)])
    >>> [each.source for each in of_line(2)]
    ['b', 'c']
    """
    wide: list[tuple[int, Replace]] = []
    own: dict[int, list[tuple[int, Replace]]] = {}
    for place, each in enumerate(replacements):
        if each.first is not None and each.first == each.last:
            own.setdefault(each.first, []).append((place, each))
        else:
            wide.append((place, each))

    def of_line(number: int) -> Sequence[Replace]:
        return [each for _, each in sorted([*wide, *own.get(number, ())], key=lambda placed: placed[0])]

    return of_line


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
