"""Songs are composed, played, sung and mixed; each is a function of its number."""

from pathlib import Path

import numpy as np
import pytest

from stemeditor.errors import Cancelled, UserError
from stemeditor.progress import Silent, Stoppable
from stemeditor.training import corpus as corpora
from stemeditor.training import instruments, library, scores, sheet, singer
from stemeditor.training.corpus import RATE, Corpus
from stemeditor.training.scores import Note
from stemeditor.training.songs import STEMS, Band, Recipe


def rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))


def pitch_hz(sound: np.ndarray) -> float:
    """The strongest frequency, between bins by a parabola."""
    window = np.hanning(len(sound))
    level = np.log(np.abs(np.fft.rfft(sound * window, 1 << 18)) + 1e-9)
    peak = int(level.argmax())
    return peak * RATE / (1 << 18)


def test_a_corpus_is_what_its_manifest_says_and_what_is_broken_is_left_out(corpus: Corpus) -> None:
    assert set(corpus.instruments) == {"bass", "drums", "other", "vocals", "ir"}
    assert [sample.midi for sample in corpus.of("other")["piano"]] == [52, 64, 76]
    assert "broken" not in corpus.of("bass")
    assert "missing" not in corpus.of("bass")
    assert len(corpus.syllables["bank"]) == 2
    assert corpus.syllables["bank"][0].onset_s == pytest.approx(0.09)
    assert corpus.of("vocals")["bank"][0].midi == 55
    assert len(corpus.scores["gmd"]) == 1
    assert corpus.of("choir") == {}


def test_a_folder_without_a_manifest_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no corpus"):
        corpora.load(tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_scores_stay_in_key_time_and_compass(seed: int) -> None:
    rng = np.random.default_rng(seed)
    song = scores.harmony(rng, 20.0)
    assert song.duration_s >= 20.0
    assert 60 / 180 < song.beat_s < 60 / 60
    assert sum(chord.duration_s for chord in song.chords) == pytest.approx(song.duration_s, abs=song.beat_s * 8)
    bass, tune = scores.bass_line(rng, song), scores.melody(rng, song, 60, 77)
    chords, drums = scores.accompaniment(rng, song, 48, 76), scores.drum_pattern(rng, song)
    for line in (bass, tune, chords, drums):
        assert len(line) >= 5
        assert all(a.start_s <= b.start_s + 1e-9 for a, b in zip(line, line[1:], strict=False))
        assert all(0 < one.strength <= 1 and one.duration_s > 0 for one in line)
    assert all(one.midi <= 55 for one in bass)
    assert all(60 <= one.midi <= 77 for one in tune)
    in_key = [one.midi % 12 in song.scale for one in tune]
    assert np.mean(in_key) > 0.9
    assert {one.what for one in drums} <= {*scores.DRUM_ROLES.values()}


def test_a_midi_file_is_read_in_seconds(corpus: Corpus) -> None:
    song = scores.read_midi(corpus.scores["gmd"][0])
    line = next(iter(song.lines.values()))
    assert {one.what for one in line} == {"kick", "closed"}
    # 32 notes of 120 ticks, 480 a beat, 120 beats a minute
    assert song.duration_s == pytest.approx(32 * 120 / 480 / 2, abs=0.2)
    assert scores.tempo_in_name(corpus.scores["gmd"][0]) == 120


def test_a_sampler_plays_the_pitch_that_is_written(corpus: Corpus) -> None:
    player = instruments.Sampler(corpus, corpus.of("other")["piano"], 0.05)
    rng = np.random.default_rng(0)
    for midi in (57, 69):
        sound = player.play((Note(0.1, 0.5, midi, 0.8),), RATE, rng)
        assert not sound[:, : RATE // 10 - 1].any()
        assert pitch_hz(sound[0]) == pytest.approx(440 * 2 ** ((midi - 69) / 12), rel=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_a_synthesiser_plays_the_pitch_that_is_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sound = instruments.Synth(rng, bass=True).play((Note(0.0, 0.6, 45, 0.9),), RATE, rng)
    assert rms(sound) > 0.01
    assert np.abs(sound).max() < 1.5
    strongest = pitch_hz(sound.mean(axis=0)) / 110.0
    # A harmonic, or the octave below
    assert min(abs(strongest - ratio) for ratio in (0.5, 1, 2, 3, 3.5, 4, 5, 6)) < 0.03 * strongest


def test_some_basses_begin_like_a_kick_and_stay() -> None:
    """Those fall from far above onto their note; what is played after that is the note."""
    falling = 0
    for seed in range(40):
        player = instruments.Synth(np.random.default_rng(seed), bass=True)
        if player._kind != "sub" or player._fall_octaves < 1.5 or player._fall_s > 0.03:
            continue
        falling += 1
        player._unison, player._cents = 1, 0.0
        sound = player.play((Note(0.0, 0.8, 33, 0.9),), RATE, np.random.default_rng(0)).mean(axis=0)
        late = sound[int(0.3 * RATE) : int(0.8 * RATE)]
        assert pitch_hz(late) == pytest.approx(55.0, rel=0.02)
        turns = [np.count_nonzero(np.diff(np.sign(part))) for part in (sound[200:1400], late[:1200])]
        assert turns[0] > turns[1]
    assert falling >= 2
    for seed in range(40):
        assert instruments.Synth(np.random.default_rng(seed))._fall_octaves == 0.0


def test_electronic_songs_are_played_by_machines(corpus_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"Synth": 0, "DrumSynth": 0}
    for name in made:
        original = getattr(instruments, name).__init__

        def counted(self: object, *given: object, name: str = name, original: object = original, **named: object):
            made[name] += 1
            return original(self, *given, **named)

        monkeypatch.setattr(getattr(instruments, name), "__init__", counted)
    counts = []
    for share in (0.0, 1.0):
        band = Band(Recipe(corpus_folder, 4.0, codecs=0.0, electronic=share), 11)
        made.update(Synth=0, DrumSynth=0)
        for number in range(10):
            band.song(number)
        counts.append(dict(made))
    assert counts[1]["Synth"] > counts[0]["Synth"] + 5
    assert counts[1]["DrumSynth"] > counts[0]["DrumSynth"]


def test_a_kit_borrows_what_it_lacks_and_drums_follow_strength(corpus: Corpus) -> None:
    rng = np.random.default_rng(1)
    kit = instruments.Kit(corpus, ["kit"], rng)
    line = (Note(0.0, 0.1, 36, 1.0, "kick"), Note(0.5, 0.1, 46, 0.3, "open"))
    sound = kit.play(line, RATE, rng)
    assert rms(sound[:, : RATE // 2]) > rms(sound[:, RATE // 2 :]) > 0
    electronic = instruments.DrumSynth(rng).play(line, RATE, rng)
    assert rms(electronic) > 0.005


def test_a_singer_sings_the_melody(corpus: Corpus) -> None:
    rng = np.random.default_rng(2)
    voice = singer.Singer(corpus, "bank", rng)
    low, high = voice.compass
    assert low <= 55 < 60 <= high
    sound = voice.sing((Note(0.2, 1.2, 58, 0.8),), 2 * RATE, rng)
    middle = sound.mean(axis=0)[int(0.7 * RATE) : int(1.2 * RATE)]
    assert rms(middle) > 0.02
    wanted = 440 * 2 ** ((58 - 69) / 12)
    lags = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    first, last = int(RATE / wanted * 0.8), int(RATE / wanted * 1.25)
    period = first + int(lags[first:last].argmax())
    assert 12 * abs(np.log2(RATE / period / wanted)) < 0.8


def test_an_excerpt_of_singing_is_as_long_as_asked(corpus: Corpus) -> None:
    sound = singer.excerpt(corpus, corpus.of("vocals")["entwicklungskit"], 3 * RATE, np.random.default_rng(0))
    assert sound.shape[1] == 3 * RATE
    assert rms(sound) > 0.01


def test_a_song_is_a_function_of_its_number(corpus_folder: Path) -> None:
    recipe = Recipe(corpus_folder, 5.0)
    first, again, other = Band(recipe, 3).song(1), Band(recipe, 3).song(1), Band(recipe, 3).song(2)
    assert tuple(first) == STEMS
    for name in STEMS:
        assert first[name].shape == (2, 5 * RATE)
        assert first[name].dtype == np.float32
        assert np.isfinite(first[name]).all()
        assert np.array_equal(first[name], again[name])
    assert any(not np.array_equal(first[name], other[name]) for name in STEMS)
    assert any(not np.array_equal(first[name], stem) for name, stem in Band(recipe, 4).song(1).items())


def test_songs_are_as_loud_as_records_and_stems_fall_silent_now_and_then(corpus_folder: Path) -> None:
    band = Band(Recipe(corpus_folder, 5.0, codecs=0.0), 7)
    songs = [band.song(number) for number in range(12)]
    for song in songs:
        mix = sum(song.values())
        assert np.abs(mix).max() <= 0.99
        assert -30 < 20 * np.log10(rms(mix)) < -6
    audible = {name: sum(rms(song[name]) > 1e-3 for song in songs) for name in STEMS}
    assert all(count >= 7 for count in audible.values())


def test_a_song_survives_a_codec_at_the_same_place(corpus_folder: Path) -> None:
    clean = Band(Recipe(corpus_folder, 5.0, codecs=0.0), 3).song(1)
    coded = Band(Recipe(corpus_folder, 5.0, codecs=1.0), 3).song(1)
    for name in STEMS:
        if clean[name].any():
            likeness = np.vdot(coded[name], clean[name]) / (np.linalg.norm(coded[name]) * np.linalg.norm(clean[name]))
            assert likeness > 0.85
            assert not np.array_equal(coded[name], clean[name])


def test_songs_are_made_once_and_the_same_by_any_number_of_processes(corpus_folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(corpus_folder, 4.0)
    library.make(tmp_path / "a", recipe, 3, 2, Silent(), processes=2)
    written = [library.song_path(tmp_path / "a", number) for number in range(2)]
    times = [path.stat().st_mtime_ns for path in written]
    library.make(tmp_path / "a", recipe, 3, 2, Silent(), processes=1)
    assert [path.stat().st_mtime_ns for path in written] == times
    here = Band(recipe, 3).song(1)
    there = library.as_float(library.open_song(written[1]))
    assert there.shape == (4, 2, 4 * RATE)
    assert np.abs(there - np.stack([here[name] for name in STEMS])).max() < 1e-4
    with pytest.raises(UserError, match="another recipe"):
        library.make(tmp_path / "a", recipe, 4, 2, Silent())
    # A network that gives less hears the same song.
    names = ("vocals", "the rest")
    folder = library.of_stems(tmp_path, names)
    assert folder == tmp_path / "vocals-the_rest"
    library.make(folder, recipe, 3, 2, Silent(), processes=1, stems=names)
    less = library.as_float(library.open_song(library.song_path(folder, 1)))
    assert less.shape == (2, 2, 4 * RATE)
    # All but the voice goes beyond full scale where the song does not: both are turned down.
    loudest = np.abs(there[1:].sum(axis=0)).max()
    assert loudest > 1
    assert np.abs(less).max() == pytest.approx(1.0)
    assert np.abs(less * loudest - np.stack([there[0], there[1:].sum(axis=0)])).max() < 2e-4
    assert library.of_stems(tmp_path, STEMS) == tmp_path


def test_making_can_be_stopped(corpus_folder: Path, tmp_path: Path) -> None:
    progress = Stoppable()
    progress.cancel()
    with pytest.raises(Cancelled):
        library.make(tmp_path, Recipe(corpus_folder, 4.0), 3, 2, progress, processes=1)


def test_made_songs_can_be_heard_and_seen(tmp_path: Path) -> None:
    path = library.song_path(tmp_path, 0)
    rng = np.random.default_rng(0)
    np.save(path, rng.integers(-3000, 3000, (4, 2, RATE)).astype(np.int16))
    assert sheet.write([path], tmp_path / "out", Silent()) == 1
    assert {file.name for file in (tmp_path / "out" / "000000").iterdir()} == {
        "song.flac",
        *(f"{name}.flac" for name in STEMS),
    }
    assert (tmp_path / "out" / "sheet-01.png").stat().st_size > 5000


def test_a_sound_font_that_is_not_there_is_missed_in_words() -> None:
    with pytest.raises(UserError, match=r"no sound font “none\.sf2”"):
        instruments.sound_fonts(["none.sf2"])
