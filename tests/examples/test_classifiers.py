"""The classifiers example against scikit-learn called by hand."""

import shutil
from math import sqrt

import numpy as np
import pytest
from scipy.stats import t
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.faults  # it takes long

REPLICATES = 100


@pytest.fixture(scope="module")
def content(examples, run_json, tmp_path_factory):
    """What the config with the conclusion, which is the other one and more, comes to."""
    copy = tmp_path_factory.mktemp("copy") / "classifiers"
    shutil.copytree(examples / "classifiers", copy)
    config = copy / "experiment.toml"
    text = config.read_text("utf-8")
    assert "replicates = 200" in text
    config.write_text(text.replace("replicates = 200", f"replicates = {REPLICATES}"), "utf-8")
    return run_json(copy / "conclusion.toml")


def test_pairing_pays(examples, run_json, content):
    accuracy = {c: np.array(m["accuracy"]) for c, m in content["metrics"].items()}
    assert content["errors"] == []
    assert {len(values) for values in accuracy.values()} == {REPLICATES}
    difference = accuracy["forest"] - accuracy["logistic"]
    assert difference.std() < sqrt(sum(values.var() for values in accuracy.values()))
    config = examples / "classifiers" / "experiment.toml"
    serial = run_json(config, "--execution", "serial", "--replicates", "6")
    assert serial["metrics"]["forest"]["auc"] == content["metrics"]["forest"]["auc"][:6]


def test_a_split_is_reproduced_by_hand_under_both_conditions(content):
    word = np.random.SeedSequence(2001).spawn(REPLICATES)[7].generate_state(1, np.uint64)[0]
    assert content["seeds"][7] == int(word)
    state = int(word) % 2**32
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=state
    )
    models = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(n_estimators=25, random_state=state),
    }
    for condition, model in models.items():
        score = model.fit(x_train, y_train).score(x_test, y_test)
        assert content["metrics"][condition]["accuracy"][7] == pytest.approx(score), condition


def test_the_conclusion_counts_what_splits_share(content):
    """Nadeau and Bengio (2003): the variance of a mean of resampled differences, by hand."""
    metrics = content["metrics"]
    difference = np.subtract(metrics["forest"]["accuracy"], metrics["logistic"]["accuracy"])
    error = sqrt((1 / REPLICATES + 0.43) * difference.var(ddof=1))
    half_width = t.ppf(0.975, REPLICATES - 1) * error
    row = next(r for r in content["sections"]["compare"] if r["metric"] == "accuracy")
    assert row["difference"] == pytest.approx(difference.mean())
    assert row["lower"] == pytest.approx(difference.mean() - half_width)
    assert row["statistic"] == pytest.approx(difference.mean() / error)
    assert row["lower"] < 0 < row["upper"]
