"""The paired difference between the two classifiers, split by split."""

from pathlib import Path

import numpy as np

from crystallize import Experiment

result = Experiment.from_config(Path(__file__).with_name("experiment.toml")).run()
difference = result.metrics["forest"]["accuracy"] - result.metrics["logistic"]["accuracy"]
half_width = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
print(f"forest - logistic: {difference.mean():+.4f} +- {half_width:.4f} accuracy")
