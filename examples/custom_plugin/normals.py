"""One normal draw."""


def trial(rng, scale):
    return {"x": rng.normal(scale=scale)}
