"""The one updater of the factorisation family, on every model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.errors import Cancelled
from stemeditor.methods import factor
from stemeditor.methods.guided_nmf import Joined
from stemeditor.methods.lead_voice import SourceFilter
from stemeditor.progress import Silent, Stoppable


def positive(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.random(shape) + 0.05).astype(np.float32)


def models(rng: np.random.Generator) -> dict[str, tuple[factor.Model, list[np.ndarray]]]:
    belongs = np.kron(np.eye(2), np.ones((1, 3))).astype(np.float32)
    return {
        "product": (factor.Product(), [positive(rng, 12, 3), positive(rng, 3, 20)]),
        "convolved": (factor.Convolved(), [positive(rng, 4, 12, 3), positive(rng, 3, 20)]),
        "shifted": (factor.Shifted(), [positive(rng, 3, 12, 2), positive(rng, 5, 2, 20)]),
        "placed": (
            factor.Placed(np.eye(4, dtype=np.float32)),
            [positive(rng, 2, 1, 4), positive(rng, 12, 4), positive(rng, 4, 20)],
        ),
        "convolutive": (
            factor.Placed(belongs),
            [positive(rng, 2, 12, 2), positive(rng, 12, 6), positive(rng, 6, 20)],
        ),
        "joined": (Joined(), [positive(rng, 12, 2), positive(rng, 12, 3), positive(rng, 5, 20)]),
        "source filter": (
            SourceFilter(positive(rng, 12, 4), positive(rng, 12, 6)),
            [
                positive(rng, 4, 3),
                positive(rng, 3, 20),
                positive(rng, 6, 20),
                positive(rng, 12, 2),
                positive(rng, 2, 20),
            ],
        ),
    }


NAMES = tuple(models(np.random.default_rng(0)))


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_pulling_back_is_the_adjoint_of_the_model(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model, factors = models(rng)[name]
    target = positive(rng, *model.value(factors).shape)
    for index, held in enumerate(factors):
        # With the other factors held the model is affine in this one.
        change = positive(rng, *held.shape)
        moved = list(factors)
        moved[index] = held + change
        onto = model.value(moved).astype(np.float64) - model.value(factors)
        left = float((onto * target).sum())
        right = float((change.astype(np.float64) * model.pull(factors, index, target)).sum())
        assert left == pytest.approx(right, rel=2e-4)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("name", NAMES)
def test_no_update_raises_the_divergence(name: str, beta: float) -> None:
    rng = np.random.default_rng(4)
    model, factors = models(rng)[name]
    target, _ = factor.scaled(positive(rng, *model.value(factors).shape))
    last = factor.divergence(target, model.value(factors), beta)
    first = last
    for _ in range(12):
        for index in range(len(factors)):
            factors = factor.fit(target, model, factors, beta=beta, passes=1, progress=Silent(), free=(index,))
            now = factor.divergence(target, model.value(factors), beta)
            assert now <= last * (1 + 1e-5)
            last = now
    assert last < 0.9 * first


def test_what_was_made_of_two_parts_is_found_again() -> None:
    rng = np.random.default_rng(1)
    # Parts that have frequencies and moments of their own are identifiable.
    templates, gains = positive(rng, 30, 2), positive(rng, 2, 50)
    templates[:10, 0] = templates[20:, 1] = gains[0, :15] = gains[1, 35:] = 0.0
    target, _ = factor.scaled(templates @ gains)
    start = [positive(rng, 30, 2), positive(rng, 2, 50)]
    found = factor.fit(target, factor.Product(), start, beta=1.0, passes=400, progress=Silent())
    likeness = np.corrcoef(np.concatenate([templates, found[0]], axis=1).T)[:2, 2:]
    assert likeness.max(axis=1).min() > 0.99


@pytest.mark.parametrize(("beta", "loss"), [(1.0, "kullback-leibler"), (2.0, "frobenius")])
def test_it_arrives_where_the_library_does(beta: float, loss: str) -> None:
    from sklearn.decomposition import NMF

    rng = np.random.default_rng(2)
    target, _ = factor.scaled(positive(rng, 25, 4) @ positive(rng, 4, 40) + 0.1 * positive(rng, 25, 40))
    templates, gains = positive(rng, 25, 4), positive(rng, 4, 40)
    ours = factor.fit(target, factor.Product(), [templates, gains], beta=beta, passes=50, progress=Silent())
    theirs = NMF(4, init="custom", solver="mu", beta_loss=loss, max_iter=50, tol=0.0)
    other = theirs.fit_transform(target, W=templates.copy(), H=gains.copy()) @ theirs.components_
    mine = factor.divergence(target, ours[0] @ ours[1], beta)
    # The order of the two updates within a pass differs, so the paths do, a little.
    assert mine == pytest.approx(factor.divergence(target, other.astype(np.float32), beta), rel=0.05)


def test_what_is_not_free_stays() -> None:
    rng = np.random.default_rng(3)
    model, factors = models(rng)["product"]
    target = positive(rng, 12, 20)
    found = factor.fit(target, model, factors, beta=1.0, passes=3, progress=Silent(), free=(1,))
    assert found[0] is factors[0]
    assert not np.array_equal(found[1], factors[1])


def test_a_prior_makes_gains_smaller() -> None:
    rng = np.random.default_rng(3)
    model, factors = models(rng)["product"]
    target = positive(rng, 12, 20)
    free = factor.fit(target, model, factors, beta=1.0, passes=20, progress=Silent(), free=(1,))
    bound = factor.fit(
        target,
        model,
        factors,
        beta=1.0,
        passes=20,
        progress=Silent(),
        free=(1,),
        penalties={1: lambda _: np.float32(5.0)},
    )
    assert bound[1].sum() < 0.8 * free[1].sum()


def test_it_stops_when_told() -> None:
    rng = np.random.default_rng(3)
    model, factors = models(rng)["product"]
    progress = Stoppable()
    progress.cancel()
    with pytest.raises(Cancelled):
        factor.fit(positive(rng, 12, 20), model, factors, beta=1.0, passes=3, progress=progress)
