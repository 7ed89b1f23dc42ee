"""Figures of a table: quality by stem and method, and quality over speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from stemeditor.evaluation.protocol import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

_COLOURS = ("#3b82d9", "#d9803b", "#5aa469", "#9b6bc7", "#c75a6b", "#7a8794")
_TEXT = 8
_DOT = 3

_PLACES = (
    ((4.0, 1.0), "left", "bottom"),
    ((4.0, -1.0), "left", "top"),
    ((-4.0, 1.0), "right", "bottom"),
    ((-4.0, -1.0), "right", "top"),
    ((0.0, 6.0), "center", "bottom"),
    ((0.0, -6.0), "center", "top"),
)
"""Where a name stands beside its point, what of it lies there, and on which side of it."""

ORDER = ("vocals", "drums", "bass", "other", "accompaniment")
"""Stems that are shown, in this order; others only where a table has none of them."""


def quality_figure(table: Table, metric: str = "sdr", ink: str = "#222222", paper: str = "#ffffff") -> Figure:
    """Return box plots of a metric, one panel a stem and one box a method, and quality over real-time factor.

    Parameters
    ----------
    table
        What is shown. Every song is a point; a box needs at least three.
    metric
        Of `METRICS`.
    ink, paper
        Colours of text and ground.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    methods = table.methods
    stems = [stem for stem in ORDER if _has(table, stem, metric)]
    stems = stems or [stem for stem in table.stems if _has(table, stem, metric)]
    common = max(stems, key=lambda stem: sum(bool(table.values(name, stem, metric)) for name in methods), default="")
    timed = bool(stems) and any(table.real_time_factor(method) for method in methods)
    columns = max(len(stems), 1) + timed
    figure = Figure(figsize=(2.6 * columns + 1.8, 0.26 * len(methods) + 1.7), dpi=110, facecolor=paper)
    axes = figure.subplots(1, columns, squeeze=False, sharey=False)[0]
    order = sorted(methods, key=lambda method: _rank(table, method, common, metric))
    for column, stem in enumerate(stems):
        axis = axes[column]
        for row, method in enumerate(order):
            values = list(table.values(method, stem, metric).values())
            if len(values) >= 3:
                axis.boxplot(
                    values,
                    positions=[row],
                    orientation="horizontal",
                    widths=0.6,
                    showfliers=False,
                    medianprops={"color": _COLOURS[column % len(_COLOURS)], "linewidth": 2},
                    boxprops={"color": ink},
                    whiskerprops={"color": ink},
                    capprops={"color": ink},
                )
            axis.plot(values, [row] * len(values), "o", color=_COLOURS[column % len(_COLOURS)], markersize=3.5)
        axis.set_yticks(range(len(order)), order if column == 0 else [""] * len(order))
        axis.set_ylim(-0.7, len(order) - 0.3)
        axis.set_title(stem, fontsize=_TEXT + 1, color=ink)
        axis.set_xlabel(_label(metric), fontsize=_TEXT, color=ink)
        axis.grid(axis="x", alpha=0.25)
    if timed:
        axis = axes[-1]
        points: dict[str, tuple[float, float]] = {}
        for method in methods:
            factor, quality = table.real_time_factor(method), table.median(method, common, metric)
            if factor and quality is not None:
                axis.plot(factor, quality, "o", color=_COLOURS[0], markersize=4)
                points[method] = (factor, quality)
        axis.set_xscale("log")
        axis.set_xlabel("times real time", fontsize=_TEXT, color=ink)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_title(f"{common}, over speed", fontsize=_TEXT + 1, color=ink)
        axis.set_ylabel(_label(metric), fontsize=_TEXT, color=ink)
        axis.margins(x=0.25)
        axis.grid(alpha=0.25)
    for axis in axes:
        axis.set_facecolor(paper)
        axis.tick_params(labelsize=_TEXT - 1, colors=ink)
        for side in axis.spines.values():
            side.set_color(ink)
            side.set_alpha(0.3)
    figure.set_layout_engine("constrained")
    if timed:
        _name(figure, axes[-1], points, ink)
    return figure


def _name(figure: Figure, axis: Axes, points: Mapping[str, tuple[float, float]], ink: str) -> None:
    """Write its name beside every point, where it covers no point or other name if there is such a place."""
    from matplotlib.transforms import Bbox

    # Only what is laid out has places that can be compared.
    figure.draw_without_rendering()
    dots = axis.transData.transform(np.reshape([*points.values()], (-1, 2)))
    taken = [Bbox.from_extents(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in dots]
    for name, point in points.items():
        text: Annotation | None = None
        # If none is free it stands in the first again.
        for offset, beside, above in (*_PLACES, _PLACES[0]):
            if text is not None:
                text.remove()
            text = axis.annotate(
                name, point, offset, textcoords="offset points", fontsize=_TEXT - 2, color=ink, ha=beside, va=above
            )
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _has(table: Table, stem: str, metric: str) -> bool:
    return any(table.values(method, stem, metric) for method in table.methods)


def _rank(table: Table, method: str, common: str, metric: str) -> tuple[bool, float]:
    """Return what a figure is sorted by: the stem most methods have; who has not goes below."""
    found = table.median(method, common, metric)
    return (found is not None, found if found is not None else 0.0)


def _label(metric: str) -> str:
    return {"si_sdr": "SI-SDR, dB", "mse": "MSE of magnitudes"}.get(metric, f"{metric.upper()}, dB")
