"""Draws the chart's dashboards as pictures: the queries of charts/trainpilot/dashboards/*.json, asked of a Prometheus.

    python3 -m pip install matplotlib
    python3 docs/dashboards/draw.py --prometheus http://localhost:9090 --minutes 10 --experiment NAME --out docs/dashboards
"""

import argparse
import json
import pathlib
import re
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from PIL import Image

DASHBOARDS = pathlib.Path(__file__).parents[2] / "charts/trainpilot/dashboards"
ROW = 0.42  # inches of a unit of Grafana's grid


def ask(arguments, path, **parameters):
    url = f"{arguments.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)["data"]["result"]


def filled(text, chosen):
    """Grafana's variables in an expression, or in a title, filled in: with all values, but for those that are chosen."""
    for name, value in chosen.items():
        text = text.replace(f"${name}", value)
    return re.sub(r"\$(?!__)\w+", ".*", text).replace("$__rate_interval", "1m")


def legend(target, labels):
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: labels.get(match[1], ""), target["legendFormat"])


def draw_stat(axes, panel, arguments, chosen):
    axes.axis("off")
    shown = []
    for target in panel["targets"]:
        for series in ask(arguments, "query", query=filled(target["expr"], chosen)):
            value = float(series["value"][1])
            value = f"{value / 60:.0f} min" if panel["fieldConfig"]["defaults"]["unit"] == "s" else f"{value:.4g}"
            shown.append(f"{legend(target, series['metric'])}: {value}")
    axes.text(0.5, 0.5, "\n".join(shown[:4]), ha="center", va="center", fontsize=11, weight="bold")


def draw_table(axes, panel, arguments, chosen):
    axes.axis("off")
    answers = [series for target in panel["targets"] for series in ask(arguments, "query", query=filled(target["expr"], chosen))]
    if answers:
        names = sorted({name for series in answers for name in series["metric"]})
        rows = [[series["metric"].get(name, "") for name in names] + [f"{float(series['value'][1]):.4g}"] for series in answers]
        axes.table(cellText=rows, colLabels=[*names, "value"], loc="upper center", edges="horizontal")


def draw_course(axes, panel, arguments, chosen):
    curves = {}
    for series in ask(arguments, "query", query=filled(panel["targets"][0]["expr"], chosen)):
        labels = series["metric"]
        curves.setdefault(labels["quantile"], []).append((int(labels["env_step"]), float(series["value"][1])))
    for quantile, points in sorted(curves.items()):
        axes.plot(*zip(*sorted(points)), label=quantile)
    axes.set_xlabel("env step", fontsize=7)


def draw_series(axes, panel, arguments, chosen):
    end = time.time()
    start = end - 60 * arguments.minutes
    names, curves = [], []
    for target in panel["targets"]:
        expression = filled(target["expr"], chosen)
        for series in ask(arguments, "query_range", query=expression, start=start, end=end, step=arguments.minutes / 4):
            names.append(legend(target, series["metric"]))
            curves.append({(float(t) - end) / 60: float(value) for t, value in series["values"]})
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom.get("stacking", {}).get("mode") == "normal" and curves:
        times = sorted(set().union(*curves))
        axes.stackplot(times, [[curve.get(t, 0) for t in times] for curve in curves], labels=names, alpha=0.6)
    else:
        for name, curve in zip(names, curves):
            axes.plot(*zip(*sorted(curve.items())), label=name)
    axes.set_xlim(-arguments.minutes, 0)
    axes.set_xlabel("minutes", fontsize=7)


DRAW = {"stat": draw_stat, "table": draw_table, "trend": draw_course, "timeseries": draw_series}


def repeated(panels, arguments):
    """Each panel with the values of the variable that it is repeated for, and its place in a grid 24 wide."""
    x = y = below = 0
    for panel in panels:
        chosen = [{"experiment": arguments.experiment}]
        if variable := panel.get("repeat"):
            figure = f"trainpilot_learner_course_{variable}"
            values = sorted({series["metric"][variable] for series in ask(arguments, "query", query=figure)})
            chosen = [{**chosen[0], variable: value} for value in values]
        for values in chosen:
            width, height = panel["gridPos"]["w"], panel["gridPos"]["h"]
            if x + width > 24:
                x, y = 0, below
            yield panel, values, (x, y, width, height)
            x, below = x + width, max(below, y + height)


def draw(dashboard, arguments):
    placed = list(repeated(dashboard["panels"], arguments))
    rows = max(y + height for _, _, (_, y, _, height) in placed)
    figure = plt.figure(figsize=(14, rows * ROW))
    figure.suptitle(dashboard["title"], fontsize=13, y=1 - 0.1 / (rows * ROW))
    for panel, chosen, (x, y, width, height) in placed:
        left, bottom = (x + 1.1) / 24, 1 - (y + height - 1.2) / (rows + 1) - 1 / (rows + 1)
        axes = figure.add_axes((left, bottom, (width - 1.6) / 24, (height - 2.4) / (rows + 1)))
        axes.set_title(filled(panel["title"], chosen), fontsize=9, loc="left")
        axes.tick_params(labelsize=7)
        DRAW[panel["type"]](axes, panel, arguments, chosen)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=6, framealpha=0.5, loc="best")
            axes.grid(alpha=0.3)
        elif panel["type"] not in ("stat", "table"):
            axes.text(0.5, 0.5, "nothing", ha="center", transform=axes.transAxes, color="gray")
    path = arguments.out / f"{dashboard['uid'].removeprefix('trainpilot-')}.png"
    figure.savefig(path, dpi=80)
    Image.open(path).quantize(64).save(path, optimize=True)  # a third of the size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", default="http://localhost:9090", help="its address")
    parser.add_argument("--experiment", default=".*", help="only of this one")
    parser.add_argument("--minutes", type=float, default=60, help="how far back to look")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="where pictures go")
    arguments = parser.parse_args()
    for path in sorted(DASHBOARDS.glob("*.json")):
        draw(json.loads(path.read_text()), arguments)


if __name__ == "__main__":
    main()
