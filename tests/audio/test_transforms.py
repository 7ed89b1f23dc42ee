"""Rates, channels, lengths, spectra, pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio import fold, spectrogram
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.convert import fit, resample, to_channels
from stemeditor.audio.stft import Stft

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000)


def noise(channels: int, frames: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


def sine(hz: float, rate: int, seconds: float, level: float = 1.0) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate))[None].astype(np.float32)


class TestConvert:
    @given(
        st.integers(0, 3000),
        st.sampled_from(RATES),
        st.sampled_from(RATES),
        st.integers(1, 2),
        st.none() | st.integers(0, 5000),
    )
    @settings(max_examples=60, deadline=None)
    def test_lengths_are_exact(
        self, length: int, from_rate: int, to_rate: int, channels: int, frames: int | None
    ) -> None:
        out = resample(noise(channels, length), from_rate, to_rate, frames)
        assert out.shape == (channels, round(length * to_rate / from_rate) if frames is None else frames)
        assert out.dtype == np.float32
        assert np.isfinite(out).all()

    def test_the_same_rate_changes_nothing(self) -> None:
        samples = noise(2, 1000)
        assert np.array_equal(resample(samples, 44100, 44100), samples)

    @pytest.mark.parametrize("to_rate", [22050, 48000, 96000])
    def test_a_tone_stays_where_and_as_loud_as_it_is(self, to_rate: int) -> None:
        got = resample(sine(1000, 44100, 1.0), 44100, to_rate)
        expected = sine(1000, to_rate, 1.0)
        middle = slice(to_rate // 10, -to_rate // 10)
        assert np.abs(got - expected)[:, middle].max() < 1e-4

    def test_there_and_back(self) -> None:
        samples = sine(1000, 44100, 1.0, 0.5) + sine(9000, 44100, 1.0, 0.3)
        back = resample(resample(samples, 44100, 48000), 48000, 44100, samples.shape[1])
        assert np.abs(back - samples)[:, 4410:-4410].max() < 1e-4

    def test_what_does_not_fit_under_the_new_nyquist_is_gone(self) -> None:
        assert np.abs(resample(sine(9000, 44100, 1.0), 44100, 16000)[:, 1600:-1600]).max() < 1e-4

    def test_channels(self) -> None:
        samples = noise(2, 100)
        assert to_channels(samples, 2) is samples
        assert np.allclose(to_channels(samples, 1)[0], samples.mean(axis=0))
        assert np.array_equal(to_channels(samples[:1], 2), np.repeat(samples[:1], 2, axis=0))
        with pytest.raises(ValueError, match="3 channels do not become 2"):
            to_channels(noise(3, 10), 2)

    @given(st.integers(0, 50), st.integers(0, 50))
    def test_fit(self, have: int, want: int) -> None:
        samples = noise(2, have) + 2
        out = fit(samples, want)
        assert out.shape == (2, want)
        assert np.array_equal(out[:, :have], samples[:, :want])
        assert not out[:, have:].any()


class TestFold:
    @given(st.integers(3, 32), st.integers(0, 10))
    def test_channels_of_no_order_are_averaged_left_and_right(self, channels: int, seed: int) -> None:
        samples = noise(channels, 20, seed)
        out = fold.matrix(channels) @ samples
        assert np.allclose(out[0], samples[0::2].mean(axis=0), atol=1e-6)
        assert np.allclose(out[1], samples[1::2].mean(axis=0), atol=1e-6)
        assert np.abs(out).max() <= 1.0 + 1e-6

    @pytest.mark.parametrize(
        ("order", "left"),
        [
            ("LRC", [1, 0, 0.7071]),
            ("LCR", [1, 0.7071, 0]),
            ("LRlr", [1, 0, 0.7071, 0]),
            ("LRCc", [1, 0, 0.7071, 0.5]),
            ("LRCElr", [1, 0, 0.7071, 0, 0.7071, 0]),
            ("LRCElrlr", [1, 0, 0.7071, 0, 0.7071, 0, 0.7071, 0]),
        ],
    )
    def test_the_standards_weights(self, order: str, left: list[float]) -> None:
        matrix = fold.matrix(len(order), order)
        assert matrix[0] == pytest.approx(left, abs=1e-4)
        mirrored = [{"L": "R", "R": "L", "l": "r", "r": "l"}.get(letter, letter) for letter in order]
        assert np.array_equal(matrix[1], fold.matrix(len(order), "".join(mirrored))[0])

    def test_the_user_is_told(self) -> None:
        assert fold.notice(2) == ""
        assert fold.notice(6) == "Six channels were folded down to stereo."
        assert fold.notice(16) == "16 channels were folded down to stereo."


class TestStft:
    @given(
        st.integers(1, 5000),
        st.integers(1, 2),
        st.sampled_from([(64, 16), (256, 64), (256, 100), (512, 256), (1024, 1)]),
    )
    @settings(max_examples=60, deadline=None)
    def test_there_and_back_is_the_same(self, frames: int, channels: int, sizes: tuple[int, int]) -> None:
        if sizes[1] == 1:
            frames = min(frames, 300)
        stft = Stft(*sizes)
        samples = noise(channels, frames)
        spectra = stft.forward(samples)
        assert spectra.shape == (channels, stft.bins, stft.hops(frames))
        assert spectra.dtype == np.complex64
        back = stft.inverse(spectra, frames)
        assert back.dtype == np.float32
        assert np.abs(back - samples).max() < 2e-6

    def test_it_is_the_textbooks_transform(self) -> None:
        stft = Stft(64, 16)
        samples = noise(1, 400)
        padded = np.concatenate([np.zeros(32), samples[0], np.zeros(64)])
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
        for hop in (0, 1, 7, 25):
            expected = np.fft.rfft(padded[hop * 16 : hop * 16 + 64] * window)
            assert np.abs(stft.forward(samples)[0, :, hop] - expected).max() < 1e-5

    def test_a_tone_stands_in_its_bin(self) -> None:
        stft = Stft(1024, 256)
        frequencies = stft.frequencies(48000)
        spectra = stft.forward(sine(float(frequencies[100]), 48000, 0.5))
        assert (np.abs(spectra[0, :, 10:-10]).argmax(axis=0) == 100).all()
        assert frequencies[-1] == 24000

    def test_a_masked_song_is_the_nearest_in_least_squares(self) -> None:
        stft = Stft(256, 64)
        spectra = stft.forward(noise(2, 3000))
        spectra[:, 40:] = 0
        once = stft.inverse(spectra, 3000)
        again = stft.inverse(stft.forward(once), 3000)
        assert np.abs(again - once).max() < 2e-6

    @pytest.mark.parametrize("sizes", [(63, 16), (64, 0), (64, 33)])
    def test_impossible_sizes(self, sizes: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="no transform"):
            Stft(*sizes)


class TestPicture:
    @pytest.mark.parametrize("rate", [8000, 44100, 192000])
    @pytest.mark.parametrize("seconds", [0.05, 1.0, 20.0])
    @pytest.mark.parametrize("hz", [110.0, 1000.0, 3500.0])
    def test_a_tone_is_a_line_at_its_height_and_level(self, rate: int, seconds: float, hz: float) -> None:
        audio = Audio(np.repeat(sine(hz, rate, 30.0, 0.5), 2, axis=0), rate)
        picture = spectrogram.picture(audio, 5 * rate, (5 + seconds) * rate, 40, 120)
        assert picture.shape == (120, 40)
        assert picture.dtype == np.float32
        frequencies = spectrogram.row_frequencies(120, spectrogram.LOW_HZ, spectrogram.top_hz(rate))
        assert (np.diff(frequencies) < 0).all()
        found = frequencies[picture.argmax(axis=0)]
        # Close up, windows are short and their lines wide.
        bin_hz = 120 if seconds < 0.1 else 20
        assert np.abs(found - hz).max() < max(bin_hz, hz * 0.08)
        assert picture.max(axis=0) == pytest.approx(-6.0, abs=2.0)

    def test_silence_and_outside_are_the_floor(self) -> None:
        audio = Audio(sine(1000, 44100, 1.0), 44100)
        picture = spectrogram.picture(audio, -44100, 2 * 44100, 90, 60)
        assert (picture[:, :28] == spectrogram.FLOOR_DB).all()
        assert (picture[:, 62:] == spectrogram.FLOOR_DB).all()
        assert picture[:, 35:55].max() > -3
        assert (spectrogram.picture(Audio.silence(2, 1000, 44100), 0, 1000, 8, 8) == spectrogram.FLOOR_DB).all()

    def test_nothing_at_all(self) -> None:
        picture = spectrogram.picture(Audio.silence(1, 0, 44100), 0, 100, 3, 5)
        assert picture.shape == (5, 3)
        assert (picture == spectrogram.FLOOR_DB).all()

    def test_time_runs_to_the_right(self) -> None:
        samples = np.zeros((1, 44100), np.float32)
        samples[0, 33075:] = noise(1, 11025)
        picture = spectrogram.picture(Audio(samples, 44100), 0, 44100, 80, 40)
        level = picture.mean(axis=0)
        assert level[:50].max() < -80 < -60 < level[65:].min()

    def test_tiles_fit_together(self) -> None:
        audio = Audio(noise(2, 200_000), 44100)
        whole = spectrogram.picture(audio, 0, 160_000, 200, 64)
        halves = [spectrogram.picture(audio, start, start + 80_000, 100, 64) for start in (0, 80_000)]
        assert np.array_equal(np.concatenate(halves, axis=1), whole)

    def test_low_rows_are_smooth(self) -> None:
        """Rows that are narrower than a bin show a slope, not steps."""
        audio = Audio(noise(1, 441_000), 44100)
        picture = spectrogram.picture(audio, 0, 441_000, 50, 256)
        equal = (picture[-60:-1] == picture[-59:]).mean()
        assert equal < 0.02

    def test_channels_out_of_phase_do_not_cancel(self) -> None:
        tone = sine(1000, 44100, 1.0, 0.5)
        picture = spectrogram.picture(Audio(np.concatenate([tone, -tone]), 44100), 0, 44100, 10, 64)
        assert picture.max() == pytest.approx(-6.0, abs=1.5)

    @given(
        st.floats(-1e5, 1e6),
        st.floats(1e-3, 1e6),
        st.integers(1, 40),
        st.integers(1, 150),
        st.sampled_from((8000, 44100, 192000)),
    )
    @settings(max_examples=80, deadline=None)
    def test_any_stretch_in_any_size(self, start: float, length: float, columns: int, rows: int, rate: int) -> None:
        audio = Audio(noise(2, 100_000), rate)
        picture = spectrogram.picture(audio, start, start + length, columns, rows)
        assert picture.shape == (rows, columns)
        assert np.isfinite(picture).all()
        assert picture.min() >= spectrogram.FLOOR_DB
        assert picture.max() < 6
