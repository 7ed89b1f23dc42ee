"""From windows to tables: metrics, ceilings, medians, tests, files."""

import csv
import io
import json

import numpy as np
import pytest

from stemeditor.evaluation.metrics import best_pairing, magnitude_mse, si_sdr, snr, sounds
from stemeditor.evaluation.oracle import ORACLES, oracle
from stemeditor.evaluation.protocol import Protocol, StemScore, Table, Timing, merged, score_stems
from stemeditor.progress import Silent

RATE = 8000


def stems(seconds: float = 6.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    time = np.arange(round(seconds * RATE)) / RATE
    voice = np.sin(2 * np.pi * 440 * time) * (time % 1 < 0.6)
    drums = rng.standard_normal(len(time)) * np.exp(-(time % 0.5) / 0.03)
    return {
        "vocals": (0.2 * np.stack([voice, voice])).astype(np.float32),
        "drums": (0.2 * np.stack([drums, 0.5 * drums])).astype(np.float32),
    }


def test_si_sdr_does_not_mind_the_level_and_snr_does() -> None:
    true = stems()["vocals"]
    noisy = true + 0.01 * np.random.default_rng(0).standard_normal(true.shape).astype(np.float32)
    assert si_sdr(true, 3 * noisy) == pytest.approx(si_sdr(true, noisy), abs=1e-3)
    assert snr(true, 3 * noisy) < snr(true, noisy) - 10
    assert si_sdr(true, true) > 100
    assert np.isnan(si_sdr(0 * true, noisy))
    assert magnitude_mse(true, true) == 0.0
    assert magnitude_mse(true, noisy) > 0.0


def test_a_known_noise_has_the_known_ratio() -> None:
    rng = np.random.default_rng(1)
    true = rng.standard_normal((1, 200000)).astype(np.float32)
    noise = rng.standard_normal((1, 200000)).astype(np.float32)
    assert snr(true, true + 0.1 * noise) == pytest.approx(20.0, abs=0.1)
    assert si_sdr(true, true + 0.1 * noise) == pytest.approx(20.0, abs=0.1)


def test_estimates_find_their_sources() -> None:
    true = list(stems().values())
    assert best_pairing(true, [true[1] + 0.1 * true[0], true[0]]) == (1, 0)


def test_windows_with_sound_are_known() -> None:
    samples = np.zeros((1, 3000), np.float32)
    samples[:, 1000:2000] = 0.1
    assert list(sounds(samples, [(0, 1000), (1000, 2000), (2000, 3000)])) == [False, True, False]


@pytest.mark.parametrize("key", ORACLES)
def test_ceilings_are_high_and_the_floor_is_low(key: str) -> None:
    true = stems()
    song = sum(true.values())
    found = oracle(key, song, true, Silent())
    for name, samples in found.items():
        floor = snr(true[name], song)
        ratio = snr(true[name], samples)
        assert (ratio == floor) if key == "mixture" else (ratio > floor + 5), f"{name} {ratio:.1f}"
    if key != "mixture":
        assert np.abs(sum(found.values()) - song).max() < 0.02


def test_an_oracle_has_no_seams_at_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from stemeditor.evaluation import oracle as module

    true = stems()
    song = sum(true.values())
    whole = oracle("oracle_irm", song, true, Silent())
    monkeypatch.setattr(module, "_PIECE", 3 * 4096)
    monkeypatch.setattr(module, "_OVERLAP", 2 * 4096)
    pieces = oracle("oracle_irm", song, true, Silent())
    for name in true:
        assert np.abs(whole[name] - pieces[name]).max() < 1e-4


def test_scores_are_medians_over_windows_with_sound() -> None:
    true = stems()
    true["vocals"][:, : 2 * RATE] = 0.0
    noise = 0.01 * np.random.default_rng(5).standard_normal(true["vocals"].shape).astype(np.float32)
    guesses = {"vocals": true["vocals"] + noise, "drums": true["drums"] - noise}
    scores = {row.stem: row for row in score_stems("a", "m", true, guesses, RATE, Protocol(1.0, 1.0), Silent())}
    assert scores["vocals"].windows == 4
    assert scores["drums"].windows == 6
    assert scores["vocals"].values["sdr"] == pytest.approx(scores["vocals"].values["snr"], abs=0.05)
    assert scores["vocals"].values["sdr"] > 15


def test_a_stem_that_is_silent_throughout_has_no_score() -> None:
    true = stems()
    true["bass"] = np.zeros_like(true["vocals"])
    rows = score_stems("a", "m", true, dict(true), RATE, Protocol(), Silent())
    scores = {row.stem: row for row in rows}
    assert scores["bass"].windows == 0
    assert set(scores["bass"].values.values()) == {None}
    assert scores["vocals"].values["sdr"] == np.inf


def table(songs: int = 12) -> Table:
    rng = np.random.default_rng(0)
    scores = []
    timings = []
    for number in range(songs):
        level = rng.uniform(2, 8)
        for method, better in (("good", 2.0), ("bad", 0.0), ("same", 0.0)):
            value = level + better + rng.normal(0, 0.2)
            scores.append(StemScore(f"song {number}", method, "vocals", {"sdr": value}, 10))
            timings.append(Timing(f"song {number}", method, 2.0, 20.0))
    return Table(tuple(scores), tuple(timings))


def test_a_difference_is_told_from_chance() -> None:
    rows = {(row.first, row.second): row for row in table().differences()}
    assert rows["good", "bad"].significant
    assert rows["good", "bad"].median == pytest.approx(2.0, abs=0.3)
    assert not rows["bad", "same"].significant
    for row in rows.values():
        assert row.p_holm >= row.p


def test_holm_s_correction_by_hand() -> None:
    found = table().differences()
    ordered = sorted(row.p for row in found)
    expected = [min(ordered[0] * 3, 1), min(ordered[1] * 2, 1), min(ordered[2], 1)]
    for index in (1, 2):
        expected[index] = max(expected[index], expected[index - 1])
    assert sorted(row.p_holm for row in found) == pytest.approx(expected)


def test_two_songs_are_too_few_to_say() -> None:
    row = table(1).differences()[0]
    assert row.p is None
    assert not row.significant


def test_files_hold_what_the_table_holds() -> None:
    whole = merged([table(2), Table((StemScore("song 9", "good", "vocals", {"sdr": None}, 0),))])
    rows = list(csv.DictReader(io.StringIO(whole.to_csv())))
    assert len(rows) == 7
    assert rows[-1]["sdr"] == ""
    assert float(rows[0]["real_time_factor"]) == 20.0
    document = json.loads(whole.to_json())
    good = document["medians"]["good"]
    assert good["real_time_factor"] == pytest.approx(20.0)
    assert good["stems"]["vocals"]["sdr"] == pytest.approx(whole.median("good", "vocals"))
    assert document["protocol"] == {"window_s": 4.0, "hop_s": 4.0, "least_db": -50.0}


def test_a_figure_is_drawn(tmp_path) -> None:
    from stemeditor.evaluation.figures import quality_figure

    figure = quality_figure(table())
    assert [axis.get_title() for axis in figure.axes] == ["vocals", "vocals, over speed"]
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    quality_figure(Table(())).savefig(tmp_path / "empty.png")


def test_no_name_in_a_figure_covers_another() -> None:
    from stemeditor.evaluation.figures import quality_figure

    names = ["twice", "thrice", "fourfold", "at_a_distance"]
    quality = [3.0, 3.0, 3.01, 5.0]
    scores = tuple(
        StemScore("song", name, "vocals", {"sdr": value}, 9) for name, value in zip(names, quality, strict=True)
    )
    timings = tuple(Timing("song", name, 10.0, 1.0 + at / 50) for at, name in enumerate(names))
    axis = quality_figure(Table(scores, timings)).axes[-1]
    boxes = {text.get_text(): text.get_window_extent() for text in axis.texts}
    assert set(boxes) == set(names)
    for name, box in boxes.items():
        assert not any(box.overlaps(other) for key, other in boxes.items() if key != name)
