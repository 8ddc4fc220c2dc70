"""The section ``hypotheses``: what was claimed beforehand, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import stats

from crystallize import InvalidValueError, Result, hookimpl
from crystallize.plugins import ActiveRun
from crystallize_stats.claims import Claim, Hypothesis, Measured
from crystallize_stats.compared import Methods, PairedTest, Sample, compared
from crystallize_stats.means import seed_for
from crystallize_stats.proportions import clopper_pearson
from crystallize_stats.registration import Planned, Registration, digest, register
from crystallize_stats.study import Numbers, Row, Study


class Described(Planned, Protocol):
    """What is read of an experiment."""

    @property
    def conditions(self) -> Mapping[str, Any]: ...


class Hypotheses:
    """Claims that were written down before the first replicate, decided.

    A row has ``hypothesis``, ``claim``, ``decision``, ``n`` (pairs), ``difference`` (the side
    that is claimed to be greater less the other and the margin) with ``lower`` and ``upper``,
    ``test``, ``statistic``, ``p``, ``alpha``, ``seed``, ``hash``, ``registered`` (when it was
    written to `register`) and ``note``.

    The decision is ``"supported"`` where the two-sided test rejects at alpha and speaks for the
    claim, ``"not supported"`` where it rejects and speaks against it, and
    ``"undecided"`` where it does not: so a claim that is false is supported with probability
    alpha/2 at most, and a true one is not with as much.  Each hypothesis has its own alpha, and
    none is adjusted for others.

    Parameters
    ----------
    claims : mapping
        Name -> ``claim``, ``alpha`` (0.05) and ``test`` (as for ``compare``).  A claim compares
        ``CONDITION.METRIC`` with another or a number by ``>`` or ``<``; ``+ 0.1`` or ``- 0.1`` at
        its end is a margin.  In a config each is a table ``[hypothesis.NAME]``.
    register : path, optional
        A file to which hash, time and seed of each are appended before the first replicate,
        once for each plan; see :func:`crystallize_stats.registration.register`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a claim cannot be read.
    """

    def __init__(self, claims: dict[str, Any], register: Path | None = None) -> None:
        self._hypotheses = [Hypothesis.of(name, given) for name, given in claims.items()]
        self._path = register
        self._registered: dict[str, dict[str, Registration]] = {}

    @hookimpl
    def check_experiment(self, experiment: Described) -> None:
        """Refuse claims about conditions that there are not."""
        for hypothesis in self._hypotheses:
            hypothesis.claim(experiment.conditions)
        if self._path is not None and not self._path.resolve().parent.is_dir():
            raise InvalidValueError(
                "hypotheses.register", str(self._path), "a file in a folder that exists"
            )

    @hookimpl
    def before_run(self, experiment: Described, run: ActiveRun) -> None:
        """Write down what is not written down yet."""
        if self._path is not None:
            self._registered[run.id] = register(self._path, self._hypotheses, experiment)

    @hookimpl
    def run_ended(self, run: ActiveRun) -> None:
        """Forget the run."""
        self._registered.pop(run.id, None)

    @hookimpl
    def extend_result(
        self, experiment: Described, run: ActiveRun, result: Result
    ) -> dict[str, list[Row]]:
        """The section."""
        study = Study(result, "hypotheses")
        registered = self._registered.get(run.id, {})
        store = result.provenance.get("store")
        found = store["found"] if store else 0
        rows = []
        with np.errstate(all="ignore"):  # what is not finite is None in a row
            for hypothesis in self._hypotheses:
                own = registered.get(hypothesis.name)
                decided = _decided(study, hypothesis, hypothesis.claim(experiment.conditions))
                notes = decided.pop("note")
                if own is not None and own.is_new and found:
                    notes = [f"{found} cells were in the store before it was registered", *notes]
                rows.append(
                    {
                        "hypothesis": hypothesis.name,
                        "claim": hypothesis.text,
                        **decided,
                        "alpha": hypothesis.alpha,
                        "seed": experiment.seed,
                        "hash": digest(hypothesis, experiment),
                        "registered": own.time if own is not None else None,
                        "note": "; ".join(notes) or None,
                    }
                )
        return {"hypotheses": rows}


COLUMNS = ("n", "difference", "lower", "upper", "test", "statistic", "p")


def _decided(study: Study, hypothesis: Hypothesis, claim: Claim) -> Row:
    sides = [side for side in (claim.greater, claim.smaller) if isinstance(side, Measured)]
    yes_no = all(study.is_yes_no(side.metric) for side in sides)
    size = len(study.run(sides[0].condition))
    where = f"{hypothesis.name}.claim"
    greater, smaller = (
        _column(study, side, size, where) for side in (claim.greater, claim.smaller)
    )
    if len(sides) == 1 and yes_no and hypothesis.test in (None, "mcnemar"):
        row = _against_number(
            greater, smaller, isinstance(claim.greater, Measured), hypothesis.alpha, claim.margin
        )
    else:
        plain = yes_no and len(sides) == 2 and claim.margin == 0
        test: PairedTest = hypothesis.test or ("mcnemar" if plain else "t")
        if test == "mcnemar" and not plain:
            raise InvalidValueError(
                f"hypotheses.{where}", hypothesis.text,
                "two metrics that are a yes or no, and no margin, as 'mcnemar' takes",
            )  # fmt: skip
        methods = Methods(test, None, hypothesis.alpha, None, plain)
        seed = seed_for(study.root, "hypothesis", hypothesis.text)
        row = compared(Sample.of(greater - claim.margin, smaller), methods, seed)
    decision = "undecided"
    if row["p"] is not None and row["p"] < hypothesis.alpha and row["direction"]:
        decision = "supported" if row["direction"] > 0 else "not supported"
    return {"decision": decision, **{key: row[key] for key in COLUMNS}, "note": row["note"]}


def _column(study: Study, side: Measured | float, size: int, where: str) -> Numbers:
    if isinstance(side, float):
        return np.full(size, side)
    return study.numbers(side.condition, side.metric, where)


def _against_number(
    greater: Numbers, smaller: Numbers, is_greater: bool, alpha: float, margin: float
) -> Row:
    """A proportion against a number: the exact binomial test, and Clopper and Pearson's interval.

    References
    ----------
    Clopper and Pearson (1934), Biometrika 26, 404-413.
    """
    values, numbers = (greater, smaller + margin) if is_greater else (smaller, greater - margin)
    values, number = values[~np.isnan(values)], float(numbers[0])
    hits, n = int(values.sum()), len(values)
    bounds: Sequence[float | None] = clopper_pearson(hits, n, alpha)
    found = [None if x is None else (x - number) * (1 if is_greater else -1) for x in bounds]
    lower, upper = found if is_greater else found[::-1]
    difference = (hits / n - number) * (1 if is_greater else -1) if n else None
    p = float(stats.binomtest(hits, n, number).pvalue) if n and 0 <= number <= 1 else None
    return {
        "n": n,
        "difference": difference,
        "lower": lower,
        "upper": upper,
        "test": "binomial",
        "statistic": float(hits),
        "direction": difference,
        "p": p,
        "note": [],
    }
