"""Elements of SVG as text. What stands in them is escaped; colours and fonts come from the page's style sheet."""

from markupsafe import Markup, escape


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """An element: `class_` is its class, and other underscores stand for hyphens. Children that are no Markup are text.

    Numbers are written with at most one decimal, which is a tenth of a pixel.
    """
    told = Markup("").join(
        Markup(' {}="{}"').format(name.strip("_").replace("_", "-"), _written(value))
        for name, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup("<{}{}/>").format(Markup(tag), told)
    return Markup("<{}{}>{}</{}>").format(Markup(tag), told, joined(children), Markup(tag))


def joined(children: tuple[str, ...] | list[str]) -> Markup:
    """Children one after the other."""
    return Markup("").join(escape(child) for child in children)


def picture(name: str, title: str, description: str, width: float, height: float, *children: str) -> Markup:
    """A whole picture, with what it says for those who do not see it."""
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_=f"picture {name}",
        # Shown no smaller than it can be read; the page lets it be moved where it is too wide.
        style=f"min-width:{width * 0.72:.0f}px",
    )


def text(
    words: str, x: float, y: float, class_: str | None = None, *, title: str | None = None, anchor: str | None = None
) -> Markup:
    """A line of text, with all of it as its title where it was cut."""
    children = (words,) if title in (None, words) else (element("title", title or ""), words)
    return element("text", *children, x=x, y=y, class_=class_, text_anchor=anchor)


def ribbon(x0: float, top0: float, bottom0: float, x1: float, top1: float, bottom1: float, class_: str) -> Markup:
    """A band that flows from one upright edge to another."""
    middle = (x0 + x1) / 2
    path = (
        f"M{x0:.1f} {top0:.1f}C{middle:.1f} {top0:.1f} {middle:.1f} {top1:.1f} {x1:.1f} {top1:.1f}"
        f"L{x1:.1f} {bottom1:.1f}C{middle:.1f} {bottom1:.1f} {middle:.1f} {bottom0:.1f} {x0:.1f} {bottom0:.1f}Z"
    )
    return element("path", d=path, class_=class_)


def _written(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
