"""A flame graph: the stacks of a profile as one picture, without a script in it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, ROW, MARGIN, TOP = 1200, 17, 10, 44
"""Pixels."""
LETTER = 6.3
"""Pixels of a letter of the font."""
THINNEST = 0.3
"""Pixels of a box below which it is left out, with all that is on it."""


@dataclass(slots=True)
class _Node:
    time: float = 0.0
    children: "dict[str, _Node]" = field(default_factory=dict)


def flame(stacks: Iterable[tuple[tuple[str, ...], float]], title: str) -> str:
    """
    Return an SVG: a box for each function, as wide as its share of the time, upon what called it.

    Args:
        stacks: Functions, the outermost first, and seconds.
        title: What it is of.

    """
    root = _Node()
    for stack, seconds in stacks:
        node = root
        node.time += seconds
        for name in stack:
            node = node.children.setdefault(name, _Node())
            node.time += seconds
    boxes: list[str] = []
    deepest = _draw(root, MARGIN, 0, (WIDTH - 2 * MARGIN) / (root.time or 1.0), root.time or 1.0, boxes)
    height = TOP + ROW * (deepest + 1) + MARGIN
    body = "".join(boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fdfdfb"/>\n'
        f'<text x="{MARGIN}" y="24" font-size="15">{escape(title)}</text>\n'
        f'<g transform="translate(0,{height - MARGIN})">\n{body}</g>\n</svg>\n'
    )


def _draw(node: _Node, x: float, depth: int, scale: float, whole: float, boxes: list[str]) -> int:
    """Draw what is on a box; returns how deep that goes."""
    deepest = depth
    for name, child in sorted(node.children.items()):
        width = child.time * scale
        if width < THINNEST:
            continue
        y = -(depth + 1) * ROW
        told = escape(f"{name}: {child.time * 1000:.1f} ms, {child.time / whole:.1%}")
        letters = int((width - 4) / LETTER)
        text = name if len(name) <= letters else name[: max(0, letters - 1)] + "…" if letters > 2 else ""
        boxes.append(
            f'<g><title>{told}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" rx="2" '
            f'fill="{_colour(name)}"/>'
            + (f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(text)}</text>' if text else "")
            + "</g>\n"
        )
        deepest = max(deepest, _draw(child, x, depth + 1, scale, whole, boxes))
        x += width
    return deepest


def _colour(name: str) -> str:
    """Ours warm, Python's own and others' cold; neighbours differ a little."""
    shade = sum(name.encode()) % 5
    if "(mailhorn/" in name:
        return f"#{'f0b070 f4a860 ee9f55 f6b97c eaa25e'.split()[shade]}"
    return f"#{'b8c8d8 b0c4d4 c0ccd8 a8bfd0 bccad2'.split()[shade]}"


__all__ = ["flame"]
