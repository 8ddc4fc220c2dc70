"""Does what crystallize-stats prints hold? Draw data whose truth is known, many times, and count.

Each replicate draws one study, computes an interval and a test, and says whether the interval
covers the truth and whether the test, of something that is true, rejects it.
"""

import sys

import numpy as np
from crystallize_stats import effects, means, order, paired, proportions, ranks, unpaired, yes_no
from crystallize_stats.multiplicity import adjusted

from crystallize import Experiment

ALPHA = 0.05


def drawn(rng, data, size):
    """Values with mean 0."""
    if data == "skewed":
        return rng.exponential(size=size) - 1
    values = rng.normal(size=size)
    return np.round(values) if data == "tied" else values


def student(rng, data, n):
    x = drawn(rng, data, n)
    return covers(means.t_interval(x, ALPHA), 0), paired.t_test(x).p


def bca(rng, data, n):
    x = drawn(rng, data, n)
    seed = np.random.SeedSequence(int(rng.integers(2**32)))
    return covers(means.bca_interval(x, ALPHA, seed), 0), None


def wilcoxon(rng, data, n):
    return None, paired.wilcoxon_test(drawn(rng, data, n)).p


def permutation(rng, data, n):
    seed = np.random.SeedSequence(int(rng.integers(2**32)))
    return None, paired.permutation_test(drawn(rng, data, n), seed).p


def welch(rng, data, n):
    test, interval = unpaired.welch(drawn(rng, data, n), 3 * drawn(rng, data, 2 * n), ALPHA)
    return covers(interval, 0), test.p


def mcnemar(rng, data, n):
    """Answers that are the same in 70% of pairs, and otherwise either way alike."""
    kind = rng.choice(3, p=[0.7, 0.15, 0.15], size=n)
    pairs = yes_no.Discordant(int((kind == 1).sum()), int((kind == 2).sum()), n)
    interval = yes_no.bonett_price_interval(pairs, ALPHA)
    return covers(interval, 0), yes_no.mcnemar_test(pairs).p


def odds_ratio(rng, data, n):
    kind = rng.choice(3, p=[0.7, 0.2, 0.1], size=n)
    pairs = yes_no.Discordant(int((kind == 1).sum()), int((kind == 2).sum()), n)
    lower, upper = yes_no.matched_odds_ratio(pairs, ALPHA).interval
    return covers((lower, np.inf if upper is None else upper), 2), None


def newcombe(rng, data, n):
    counts = rng.binomial(n, 0.3), n, rng.binomial(2 * n, 0.3), 2 * n
    return covers(yes_no.newcombe_interval(*counts, ALPHA), 0), yes_no.score_test(*counts).p


def wilson(rng, data, n):
    return covers(proportions.wilson(rng.binomial(n, 0.9), n, ALPHA), 0.9), None


def clopper_pearson(rng, data, n):
    return covers(proportions.clopper_pearson(rng.binomial(n, 0.9), n, ALPHA), 0.9), None


def median(rng, data, n):
    truth = np.log(2) - 1 if data == "skewed" else 0
    return covers(order.quantile(drawn(rng, data, n), 0.5, ALPHA)[1:], truth), None


def upper_decile(rng, data, n):
    truth = np.log(10) - 1 if data == "skewed" else 1.2815515655446004
    return covers(order.quantile(drawn(rng, data, n), 0.9, ALPHA)[1:], truth), None


def effect(rng, data, n):
    return covers(effects.paired_effect(drawn(rng, data, n) + 0.5, ALPHA).interval, 0.5), None


def unpaired_effect(rng, data, n):
    one, other = drawn(rng, data, n) + 0.5, drawn(rng, data, 2 * n)
    return covers(effects.unpaired_effect(one, other, ALPHA).interval, 0.5), None


def friedman(rng, data, n):
    scores = drawn(rng, data, (n, 5))
    return None, ranks.friedman(np.argsort(np.argsort(scores, axis=1), axis=1) + 1.0).p


def nemenyi(rng, data, n):
    """Whether any two of five methods differ by the critical difference; as a p value of 0 or 1."""
    scores = drawn(rng, data, (n, 5))
    means = (np.argsort(np.argsort(scores, axis=1), axis=1) + 1.0).mean(axis=0)
    return None, float(np.ptp(means) < ranks.critical_difference(5, n, ALPHA))


def holm(rng, data, n):
    """The smallest of ten adjusted p values, of treatments that share a baseline."""
    base = drawn(rng, data, n)
    p = [paired.t_test(drawn(rng, data, n) - base).p for _ in range(10)]
    return None, min(adjusted(p, "holm"))


def covers(interval, truth):
    lower, upper = (np.nan if bound is None else bound for bound in interval)
    return bool(lower <= truth <= upper)


METHODS = {
    "t": student, "bca": bca, "wilcoxon": wilcoxon, "permutation": permutation, "welch": welch,
    "mcnemar": mcnemar, "newcombe": newcombe, "wilson": wilson,
    "clopper-pearson": clopper_pearson, "median": median, "upper decile": upper_decile,
    "effect": effect, "odds ratio": odds_ratio, "unpaired effect": unpaired_effect,
    "friedman": friedman, "nemenyi": nemenyi, "holm": holm,
}  # fmt: skip
CASES = {
    "t": {"normal": (5, 40), "skewed": (20, 100, 400), "tied": (10, 40)},
    "bca": {"normal": (30, 100), "skewed": (30, 100), "tied": (40,)},
    "wilcoxon": {"normal": (6, 15, 40, 300), "tied": (15, 40)},
    "permutation": {"normal": (6, 12, 40), "tied": (12, 40), "skewed": (40,)},
    "welch": {"normal": (5, 20), "skewed": (20, 100), "tied": (20,)},
    "mcnemar": {"yes or no": (20, 50, 200)},
    "newcombe": {"yes or no": (20, 50, 200)},
    "wilson": {"yes or no": (10, 50, 200)},
    "clopper-pearson": {"yes or no": (10, 50, 200)},
    "median": {"normal": (10, 50), "skewed": (50,), "tied": (50,)},
    "upper decile": {"normal": (50, 200), "skewed": (50,)},
    "effect": {"normal": (5, 40), "skewed": (100,)},
    "odds ratio": {"yes or no": (20, 50, 200)},
    "unpaired effect": {"normal": (5, 40)},
    "friedman": {"normal": (5, 15)},
    "nemenyi": {"normal": (5, 15)},
    "holm": {"normal": (20,)},
}
CONDITIONS = {
    f"{method}, {data}, {n}": {"method": method, "data": data, "n": n}
    for method, kinds in CASES.items()
    for data, sizes in kinds.items()
    for n in sizes
}


def trial(rng, method, data, n):
    covered, p = METHODS[method](rng, data, n)
    result = {} if covered is None else {"covered": covered}
    return result if p is None else {**result, "rejected": bool(p <= ALPHA)}


def shown(row):
    return "-" if row is None else f"{row['estimate']:.4f} ({row['lower']:.4f}, {row['upper']:.4f})"


def main(replicates):
    experiment = Experiment(
        trial,
        CONDITIONS,
        replicates=replicates,
        seed=12,
        execution="parallel",
        execution_options={"executor_type": "process"},
        aggregators=["estimate"],
    )
    result = experiment.run()
    found = {(row["condition"], row["metric"]): row for row in result.sections["estimate"]}
    print("| method | data | n | coverage of 95% | size of 5% |\n| --- | --- | --- | --- | --- |")
    for name, condition in CONDITIONS.items():
        cells = [
            shown(row) if row is not None and row["n"] else "-"
            for row in (found.get((name, "covered")), found.get((name, "rejected")))
        ]
        print(f"| {' | '.join(map(str, condition.values()))} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
