"""Recomputes every number in golden.json from the formulas alone, with the standard library only.

Usage: golden.py golden.json. Written from the design's formulas, not from the Rust code, to show that any language
can follow the contract and to catch a formula that changes by accident.
"""

import hashlib
import json
import math
import re
import struct
import sys

MASK = (1 << 64) - 1
GOLDEN_RATIO = 0x9E3779B97F4A7C15
OFFSET = 0.02


def clip(x, low, high):
    return min(max(x, low), high)


def single(x):
    """x as a 32-bit float holds it."""
    return struct.unpack("f", struct.pack("f", x))[0]


# Metrics: their range onto [0, 1], bent.


def bend(scale, u):
    end = math.log((1 + OFFSET) / OFFSET)
    if scale == "Log":
        return math.log((u + OFFSET) / OFFSET) / end
    if scale == "Logit":
        return (math.log((u + OFFSET) / (1 + OFFSET - u)) + end) / (2 * end)
    return u


def seen_metric(metric, x):
    low, high = metric["range"]
    return bend(metric["scale"], clip((x - low) / (high - low), 0, 1))


# Hyperparameters: x' = 1 - x where complement is set, then the place in the logarithm.


def primed(h, x):
    return 1 - x if h["complement"] else x


def bounds(h):
    return sorted((primed(h, h["min"]), primed(h, h["max"])))


def seen_hyperparameter(h, x):
    low, high = map(math.log, bounds(h))
    return (math.log(clip(primed(h, x), *bounds(h))) - low) / (high - low)


def start(h, u):
    if "initialRange" not in h:
        return h["initial"]
    a, b = (math.log(primed(h, x)) for x in h["initialRange"])
    return primed(h, clip(math.exp(a + u * (b - a)), *bounds(h)))


# Observations.


def observe(problem, inputs, cases):
    best, last = None, None
    objective = [m["name"] for m in problem["metrics"]].index(problem["objective"]["metric"])
    pick = max if problem["objective"]["direction"] == "Maximize" else min
    for t, case in enumerate(cases):
        pairs = list(zip(problem["metrics"], case["metrics"]))
        if inputs["oneRange"]:
            low, high = inputs["oneRange"]
            seen = [clip((x - low) / (high - low), 0, 1) for m, x in pairs if m["observed"]]
        else:
            seen = [seen_metric(m, x) for m, x in pairs if m["observed"]]
        now = seen_metric(*pairs[objective])
        best = now if best is None else pick(best, now)
        vector = []
        if inputs["metrics"]:
            vector += seen
        if inputs["hyperparameters"]:
            vector += [seen_hyperparameter(*pair) for pair in zip(problem["hyperparameters"], case["hyperparameters"])]
        if inputs["time"]:
            vector += [t / problem["envSteps"]]
        if inputs["best"]:
            vector += [best]
        if inputs["differences"]:
            vector += [clip(0.5 + a - b, 0, 1) for a, b in zip(seen, last or seen)]
        last = seen
        yield vector


# Schedules and actions.


def factor(schedule, step, env_steps):
    warm_up, to = schedule["warmUp"], schedule["to"]
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    progress = min((step - warm_up) / max(env_steps - warm_up, 1), 1)
    left = {"Linear": 1 - progress, "Cosine": (1 + math.cos(math.pi * progress)) / 2}
    return to + (1 - to) * left[schedule["decay"]] if schedule["decay"] in left else 1


def steer(problem, initial, actions):
    levels = [clip(primed(h, x), *bounds(h)) for h, x in zip(problem["hyperparameters"], initial)]
    for step, action in enumerate([None, *actions], -1):
        if action:
            moved = zip(problem["hyperparameters"], levels, action)
            levels = [clip(level * problem["multipliers"][a], *bounds(h)) for h, level, a in moved]
        factors = [factor(h["schedule"], max(step, 0), problem["envSteps"]) for h in problem["hyperparameters"]]
        in_force = zip(problem["hyperparameters"], levels, factors)
        yield [primed(h, clip(level * f, *bounds(h))) for h, level, f in in_force]


# Rewards.


def rewards(metric, direction, curve, outcome):
    low, high = metric["range"]
    sign = 1 if direction == "Maximize" else -1
    points = [clip(x, low, high) for x in curve]
    if outcome == "Diverged":
        points.append(low if sign > 0 else high)
    return [sign * (b - a) / (high - low) for a, b in zip(points, points[1:])]


# Fixed-precision encoding.


def encode(x, vocabulary, symbols):
    codes = vocabulary**symbols
    code = clip(math.floor(clip(x, 0, 1) * codes), 0, codes - 1)
    return [code // vocabulary**place % vocabulary for place in reversed(range(symbols))]


def decode(encoded, vocabulary):
    code = 0
    for symbol in encoded:
        code = code * vocabulary + symbol
    return (code + 0.5) / vocabulary ** len(encoded)


# Draws: SplitMix64, one stream for each sequence of labels.


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


class Random:
    def __init__(self, seed, labels):
        self.state = mix(seed)
        for label in labels:
            self.state = mix(self.state ^ mix((label + GOLDEN_RATIO) & MASK))

    def bits(self):
        self.state = (self.state + GOLDEN_RATIO) & MASK
        return mix(self.state)

    def uniform(self):
        return (self.bits() >> 11) / (1 << 53)


def draw(problem, draws, case):
    final = "epoch" not in case
    place = [MASK, MASK] if final else [case["repetition"], case["epoch"]]
    group = 1 if final else draws["group"]
    seed = Random(draws["seed"], [1, *place, case["index"]]).bits() >> 33
    shared = Random(draws["seed"], [2, *place, case["index"] // group])
    left = shared.uniform() * sum(task["weight"] for task in draws["tasks"])
    for place, task in enumerate(draws["tasks"]):
        left -= task["weight"]
        if left < 0:
            break
    if final:
        place = case["index"] % len(draws["tasks"])
    own = draws["tasks"][place].get("initial", {})
    drawn = [(h["name"], start(h, shared.uniform())) for h in problem["hyperparameters"]]
    initial = [own.get(name, value) for name, value in drawn]
    return {"seed": seed | final << 31, "task": place, "initial": initial}


def sample(log_probabilities, uniform):
    for index, log_probability in enumerate(log_probabilities):
        uniform -= math.exp(single(log_probability))
        if uniform < 0:
            return index
    return len(log_probabilities) - 1


# The action space's hash: SHA-256 over JSON without blanks, floats in their shortest form.


def compact(value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return re.sub(r"e([-+])0*", lambda match: "e" + match[1].replace("+", ""), text)


def action_space_hash(problem):
    seen = [m for m in problem["metrics"] if m["observed"] or m["name"] == problem["objective"]["metric"]]
    metrics = [[m["name"], m["range"], m["scale"], m["observed"]] for m in seen]
    steered = [[h["name"], h["min"], h["max"], h["complement"]] for h in problem["hyperparameters"]]
    objective = {key: problem["objective"][key] for key in ("metric", "direction")}
    text = compact([objective, metrics, steered, problem["multipliers"]])
    return hashlib.sha256(text.encode()).hexdigest()


# Comparison.


def same(a, b, tolerance):
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], tolerance) for key in a)
    if isinstance(a, float) or isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return a == b


def check(part, got, expected, tolerance=1e-11):
    got = list(got) if not isinstance(got, (dict, str)) else got
    if not same(got, expected, tolerance):
        sys.exit(f"{part}: computed {got}, the file has {expected}")
    return 1


def results(golden):
    problem = golden["problem"]
    yield "actionSpaceHash", action_space_hash(problem), golden["actionSpaceHash"]
    for metric, given in zip(problem["metrics"], golden["metrics"]):
        yield "metrics", [[x, seen_metric(metric, x)] for x, _ in given["cases"]], given["cases"]
    for h, given in zip(problem["hyperparameters"], golden["hyperparameters"]):
        yield "hyperparameters", [[x, seen_hyperparameter(h, x)] for x, _ in given["cases"]], given["cases"]
    for given in golden["schedules"]:
        steps = range(given["envSteps"])
        yield "schedules", [factor(given["schedule"], step, given["envSteps"]) for step in steps], given["factors"]
    steering = golden["steering"]
    yield "steering", steer(problem, steering["initial"], steering["actions"]), steering["values"]
    objective = next(m for m in problem["metrics"] if m["name"] == problem["objective"]["metric"])
    for given in golden["rewards"]:
        got = rewards(objective, given["direction"], given["curve"], given["outcome"])
        yield "rewards", got, given["rewards"]
    for given in golden["encodings"]:
        v, p = given["vocabulary"], given["symbols"]
        yield "encodings", [given["decay"] ** place for place in range(p)], given["weights"]
        for case in given["cases"]:
            yield "encodings", encode(case["number"], v, p), case["symbols"]
            yield "encodings", [decode(case["symbols"], v)], [case["decoded"]]
    for given in golden["random"]:
        random = Random(int(given["seed"], 16), [int(label, 16) for label in given["labels"]])
        yield "random", [f"{random.bits():016x}" for _ in range(4)], given["bits"]
        yield "random", [random.uniform() for _ in range(4)], given["uniform"]
        yield "random", [int(random.uniform() * 7) for _ in range(4)], given["below7"]
    for given in golden["draws"]:
        for case in given["cases"]:
            yield "draws", draw(problem, given["draws"], case), case["draw"]
    samples = golden["samples"]
    yield "samples", [[u, sample(samples["logProbabilities"], u)] for u, _ in samples["cases"]], samples["cases"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        golden = json.load(file)
    checked = sum(check(part, got, expected) for part, got, expected in results(golden))
    for given in golden["observations"]:
        vectors = [case["vector"] for case in given["cases"]]
        # A network's inputs are 32-bit, and stored with six digits.
        checked += check("observations", observe(golden["problem"], given["inputs"], given["cases"]), vectors, 2e-6)
    print(f"{checked} groups of numbers agree")


main()
