"""Extra trees and gradient-boosted trees on the curves that `trainpilot forecast --data FILE --json` was scored on.

    trainpilot forecast --data FILE [--hyperparameters A,B] --json > FORECAST
    python peer_trees.py FILE FORECAST [--hyperparameters A,B]

Needs scikit-learn. Trees know the first metric up to the same step, and the logarithms of the hyperparameters; extra trees
answer for all later steps at once, gradient-boosted ones have a model for each step shown. Prints squared errors.
"""

import argparse
import csv
import json
import math

from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("forecast")
    parser.add_argument("--hyperparameters", default="", help="columns, separated by commas")
    return parser.parse_args()


def curves(path, metric, hyperparameters):
    """By name: values in the order of their steps, and logarithms of hyperparameters. Those that lack steps are left out."""
    values, known, steps = {}, {}, set()
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            curve, step = list(row.values())[:2]
            steps.add(float(step))
            values.setdefault(curve, []).append((float(step), float(row[metric])))
            known[curve] = [math.log(float(row[name])) for name in hyperparameters]
    whole = {curve: [value for _, value in sorted(points)] for curve, points in values.items() if len(points) == len(steps)}
    return whole, known


def squared_error(predicted, real):
    return sum((p - r) ** 2 for p, r in zip(predicted, real)) / len(real)


def main():
    args = arguments()
    with open(args.forecast) as file:
        forecast = json.load(file)
    hyperparameters = [name for name in args.hyperparameters.split(",") if name]
    own = forecast["scores"]["metrics"][0]
    known_until, others = forecast["scores"]["from"], set(forecast["others"])
    values, known = curves(args.file, own["metric"], hyperparameters)
    training = [name for name in values if name not in others]
    assert len(training) == forecast["trainedOn"] and others <= set(values), "the forecast is of another file"
    test = [name for name in values if name in others]
    def inputs(names):
        return [values[name][: known_until + 1] + known[name] for name in names]

    later = [values[name][known_until + 1 :] for name in training]
    extra = ExtraTreesRegressor(200, random_state=0).fit(inputs(training), later).predict(inputs(test))
    print(f"{'steps ahead':>12} {'world model':>12} {'last value':>12} {'power law':>12} {'extra trees':>12} {'boosted':>12}")
    for horizon, law in zip(own["horizons"], forecast["powerLaw"][0]["horizons"]):
        ahead = horizon["envSteps"]
        real = [values[name][known_until + ahead] for name in test]
        boosted = HistGradientBoostingRegressor(random_state=0).fit(inputs(training), [curve[ahead - 1] for curve in later])
        errors = [
            horizon["squaredError"],
            horizon["lastValueSquaredError"],
            law["squaredError"],
            squared_error([curve[ahead - 1] for curve in extra], real),
            squared_error(boosted.predict(inputs(test)), real),
        ]
        print(f"{ahead:>12} " + " ".join(f"{error:>12.2e}" for error in errors))


if __name__ == "__main__":
    main()
