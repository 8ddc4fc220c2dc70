"""Conditions that ended apart: each section has of each condition what there is."""

from crystallize import Experiment, Until


def trial(rng, noise):
    x = rng.normal() + noise * rng.normal()
    return {"x": x, "se": 1.0 + 0.1 * rng.random()}


def test_sections_take_conditions_of_different_lengths():
    result = Experiment(
        trial,
        {"plain": {"noise": 0.0}, "wild": {"noise": 1.0}, "calm": {"noise": 0.2}},
        replicates=Until("x", half_width=0.15),
        seed=2,
        aggregators=["compare", "performance", "estimate", "quantiles"],
        aggregator_options={
            "compare": {"metrics": ["x"]},
            "performance": {"estimate": "x", "se": "se", "truth": 0.0},
        },
    ).run()
    sizes = {name: len(done) for name, done in result.done.items()}
    assert len(set(sizes.values())) > 1
    for section in ("performance", "estimate", "quantiles"):
        for row in result.sections[section]:
            if row.get("measure") != "relative_precision":
                assert row["n"] == sizes[row["condition"]]
    for row in result.sections["compare"]:
        assert row["n"] == min(sizes[row["treatment"]], sizes["plain"])
    values = result.metrics["wild"]["x"][: sizes["plain"]]
    both = min(len(values), sizes["plain"])
    difference = (values[:both] - result.metrics["plain"]["x"][:both]).mean()
    (wild,) = [row for row in result.sections["compare"] if row["treatment"] == "wild"]
    assert abs(wild["difference"] - difference) < 1e-12
    assert result.provenance["plugin_errors"] == []
