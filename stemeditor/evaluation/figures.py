"""Figures of a table: quality by stem and method, and quality over speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemeditor.evaluation.protocol import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#3b82d9", "#d9803b", "#5aa469", "#9b6bc7", "#c75a6b", "#7a8794")
_TEXT = 8

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
        for method in methods:
            factor, quality = table.real_time_factor(method), table.median(method, common, metric)
            if factor and quality is not None:
                axis.plot(factor, quality, "o", color=_COLOURS[0], markersize=4)
                axis.annotate(
                    method, (factor, quality), fontsize=_TEXT - 2, color=ink, xytext=(3, 2), textcoords="offset points"
                )
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
    return figure


def _has(table: Table, stem: str, metric: str) -> bool:
    return any(table.values(method, stem, metric) for method in table.methods)


def _rank(table: Table, method: str, common: str, metric: str) -> tuple[bool, float]:
    """Return what a figure is sorted by: the stem most methods have; who has not goes below."""
    found = table.median(method, common, metric)
    return (found is not None, found if found is not None else 0.0)


def _label(metric: str) -> str:
    return {"si_sdr": "SI-SDR, dB", "mse": "MSE of magnitudes"}.get(metric, f"{metric.upper()}, dB")
