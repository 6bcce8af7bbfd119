"""Draw the packages and their imports: `python docs/packages.py` writes `images/packages.svg`.

The rows are the layers of the import contract in `pyproject.toml`. The arrows are the imports in
the code. An import that other imports imply is drawn in light grey.
`python docs/packages.py --check` compares the file with the code instead of writing it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import grimp

ROOT = "siamese_verify"
PROJECT = Path(__file__).parents[1] / "pyproject.toml"
SVG = Path(__file__).parent / "images" / "packages.svg"
BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT, WIDTH = 150, 44, 92, 760
# Places of rooms that are alone in their row, as shares of the width, so that arrows pass them.
ALONE = (0.5, 0.2, 0.75, 0.45, 0.7, 0.85)
Imports = dict[str, set[str]]
Place = tuple[float, float]

STYLE = """
svg {background: white; font: 14px sans-serif}
rect {fill: #e8f0fe; stroke: #3367d6}
.arrow {fill: none; stroke: #5f6368; stroke-width: 1.3; marker-end: url(#head)}
.implied {stroke: #d0d4d9}
text {text-anchor: middle; fill: #202124}
text.modules {font-size: 11px; fill: #5f6368}
"""
HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 8 4 0 8z" fill="#5f6368"/></marker>'
)


def read_imports(graph: grimp.ImportGraph) -> Imports:
    """Map each package or top module to its imports among them."""
    rooms = {room: graph.find_descendants(room) | {room} for room in graph.find_children(ROOT)}
    imported = {
        room: set[str]().union(*map(graph.find_modules_directly_imported_by, inside))
        for room, inside in rooms.items()
    }
    return {
        _name(room): {_name(below) for below in rooms if below != room and rooms[below] & found}
        for room, found in imported.items()
    }


def _name(module: str) -> str:
    return module.removeprefix(f"{ROOT}.")


def read_rows() -> list[list[str]]:
    """Read the rows of the import contract, from the top."""
    tables = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]
    packages = next(c for c in tables["contracts"] if c.get("containers") == [ROOT])
    return [layer.split(" | ") for layer in packages["layers"]]


def is_implied(imports: Imports, room: str, below: str) -> bool:
    """Whether `room` also reaches `below` through another room."""
    seen, waiting = set(), [other for other in imports[room] if other != below]
    while waiting:
        other = waiting.pop()
        if other not in seen:
            seen.add(other)
            waiting.extend(imports[other])
    return below in seen


def draw(graph: grimp.ImportGraph) -> str:
    """Return the drawing as SVG."""
    imports = read_imports(graph)
    rows = read_rows()
    places: dict[str, Place] = {}
    for number, row in enumerate(rows):
        for i, room in enumerate(row):
            share = ALONE[number % len(ALONE)] if len(row) == 1 else (i + 0.5) / len(row)
            places[room] = (share * WIDTH, 12 + number * ROW_HEIGHT)
    height = len(rows) * ROW_HEIGHT - ROW_HEIGHT + BOX_HEIGHT + 24
    arrows = sorted(
        (not is_implied(imports, room, below), room, below)
        for room in imports
        for below in imports[room]
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
            f"<style>{STYLE}</style><defs>{HEAD}</defs>",
            *(arrow(places[room], places[below], essential) for essential, room, below in arrows),
            *(box(room, place, graph) for room, place in sorted(places.items())),
            "</svg>\n",
        ]
    )


def arrow(start: Place, end: Place, essential: bool) -> str:
    """Return a curve from the lower edge of a box to the upper edge of another."""
    if start[1] >= end[1]:
        raise ValueError("An import runs up. Run `lint-imports` to find it.")
    (x0, y0), (x1, y1) = (start[0], start[1] + BOX_HEIGHT), end
    bend = (y1 - y0) / 2
    curve = f"M{x0:.0f} {y0} C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1}"
    return f'<path class="{"arrow" if essential else "arrow implied"}" d="{curve}"/>'


def box(room: str, place: Place, graph: grimp.ImportGraph) -> str:
    """Return a box with the name of a room and its number of modules."""
    x, y = place
    modules = [
        name for name in graph.find_descendants(f"{ROOT}.{room}") if not graph.find_children(name)
    ]
    label = f"{len(modules)} modules" if modules else "one module"
    return (
        f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'rx="6"/><text x="{x:.0f}" y="{y + 19}">{room}{"/" if modules else ""}</text>'
        f'<text class="modules" x="{x:.0f}" y="{y + 35}">{label}</text>'
    )


def main(arguments: list[str]) -> int:
    """Write the drawing, or with `--check` tell whether the file is up to date."""
    sys.path.insert(0, str(PROJECT.parent))  # So that grimp reads this copy of the package.
    drawing = draw(grimp.build_graph(ROOT, cache_dir=None))
    if "--check" not in arguments:
        SVG.write_text(drawing, encoding="utf-8")
    elif not SVG.exists() or SVG.read_text(encoding="utf-8") != drawing:
        print(f"{SVG} is older than the code. Run `python docs/packages.py` and commit it.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
