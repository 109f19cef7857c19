"""Draws growth.json as growth.png: growth_plot.py JSON PNG. Needs matplotlib."""
import json
import os
import sys
import tempfile

os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

# Colours that colour-blind people can distinguish, and a mark for each.
STYLES = {
    "hand-epoll": ("hand-written epoll loop", "#444444", "x", "--"),
    "polyio-io_uring": ("polyio io_uring", "#d55e00", "o", "-"),
    "polyio-epoll": ("polyio epoll", "#0072b2", "s", "-"),
    "polyio-epoll-et": ("polyio epoll-et", "#56b4e9", "D", "-"),
    "polyio-poll": ("polyio poll", "#009e73", "^", "-"),
    "polyio-select": ("polyio select", "#cc79a7", "v", "-"),
    "polyio-threads": ("polyio blocking,\nthread per connection", "#e69f00", "P", "-"),
}
STEPS = (1, 1.5, 2, 3, 5, 7)  # of a decade, where the vertical axis has its figures


def curve(points, server):
    """Connections, medians, and how far the lowest and highest round are from the median."""
    found = []
    for point in points:
        row = next((row for row in point["rows"] if row["server"] == server), None)
        runs = row["runs"] if row else []
        values = [run[point["value"]] for run in runs if point["value"] in run]
        if values:
            middle = row["median"]
            found.append((point["connections"], middle, middle - min(values),
                          max(values) - middle))
    return list(zip(*found))


def label_axes(axes, points, low, high):
    counts = [point["connections"] for point in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ticks = [step * 10.0**power for power in range(-3, 7) for step in STEPS]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(counts[0] / 1.3, counts[-1] * 1.3)
    axes.set_ylim(low / 1.25, high * 1.5)
    axes.set_xlabel("connections")
    axes.set_ylabel("server CPU time per message (µs)")
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def mark_idle(axes, points):
    """Where connections begin that say nothing."""
    active = max(point["active"] for point in points)
    if points[0]["connections"] >= active or points[-1]["connections"] <= active:
        return
    axes.axvline(active, color="#888888", linewidth=0.9, linestyle=":")
    across = axes.get_xaxis_transform()
    axes.text(active / 1.08, 0.98, "all talk", transform=across, ha="right", va="top",
              color="#555555")
    axes.text(active * 1.08, 0.98, f"{active} talk, the others are silent", transform=across,
              ha="left", va="top", color="#555555")


def main(source, target):
    with open(source) as file:
        content = json.load(file)
    points, facts = content["points"], content["machine"]
    pyplot.rcParams.update({"font.size": 11, "axes.titlesize": 14})
    figure, axes = pyplot.subplots(figsize=(11, 6.5), dpi=150)
    lows, highs, ends = [], [], []
    for server, (name, colour, mark, line) in STYLES.items():
        found = curve(points, server)
        if not found:
            continue
        counts, medians, below, above = found
        lows.append(min(middle - less for middle, less in zip(medians, below)))
        highs.append(max(middle + more for middle, more in zip(medians, above)))
        bars = axes.errorbar(counts, medians, yerr=(below, above), label=name, color=colour,
                             marker=mark, linestyle=line, markersize=6, linewidth=1.8, capsize=3,
                             elinewidth=0.9)
        ends.append((medians[-1], bars))
    if not lows:
        sys.exit("bench: growth.json has no figures: every run failed")
    label_axes(axes, points, min(lows), max(highs))
    mark_idle(axes, points)
    axes.set_title("What a message costs as connections grow (echo, 64 B, one outstanding each)",
                   loc="left", pad=12)
    # Beside the plot, in the order in which the curves end.
    ends.sort(key=lambda end: -end[0])
    axes.legend([bars[0] for _, bars in ends], [bars.get_label() for _, bars in ends],
                frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=0.9)
    rounds = content["options"]["rounds"]
    spread = f"median of {rounds} rounds, bars: lowest and highest" if rounds > 1 else "one round"
    notes = [f"{spread}; server and load on a core each", f"{facts['machine']}; {facts['system']}; "
             f"{facts['date']}; commit {facts['commit']}"]
    busy = [f"{point['connections']:,}" for point in points if point["busy"]]
    if busy:
        notes.insert(0, f"The machine was busy (connections: {'; '.join(busy)}): no measurement.")
    figure.text(0.01, 0.01, "\n".join(notes), fontsize=8, color="#555555", va="bottom")
    figure.tight_layout(rect=(0, 0.03 + 0.02 * len(notes), 1, 1))
    figure.savefig(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
