"""DAWproject 1.0: an open format of several programs. One file, which holds the sound as well.

https://github.com/bitwig/dawproject describes it; what is written here is valid by its Project.xsd and MetaData.xsd.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from stemeditor import __version__
from stemeditor.interchange.session import Faders, Session, Track
from stemeditor.progress import Progress

ENDING = ".dawproject"

_TEMPO = 120
"""Beats a minute: a project has some, and nobody knows those of the song. Sound is placed in seconds."""

_TAGS = (
    ("Artist", "artist"),
    ("Album", "album"),
    ("Composer", "composer"),
    ("Year", "date"),
    ("Genre", "genre"),
)
_UNSPEAKABLE = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_PIECE = 1 << 20


def write(session: Session, path: Path, progress: Progress) -> None:
    """Write a session, its sound included, to a file that is not there yet."""
    names = inner_names(session)
    total = max(sum(track.path.stat().st_size for track in session.tracks), 1)
    done = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr("project.xml", project(session), zipfile.ZIP_DEFLATED)
        archive.writestr("metadata.xml", metadata(session), zipfile.ZIP_DEFLATED)
        for track, name in zip(session.tracks, names, strict=True):
            with track.path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    done += len(piece)
                    progress.advance(min(done / total, 1.0))


def inner_names(session: Session) -> tuple[str, ...]:
    """Return what the files of the tracks are called inside, each other than the others."""
    found: list[str] = []
    for track in session.tracks:
        file = _clean(track.path.name)
        name = f"audio/{file}"
        if name.casefold() in (other.casefold() for other in found):
            name = f"audio/{len(found) + 1} {file}"
        found.append(name)
    return tuple(found)


def project(session: Session) -> bytes:
    """Return the project, as XML."""
    numbers = _Numbers()
    root = ElementTree.Element("Project", version="1.0")
    ElementTree.SubElement(root, "Application", name="stemeditor", version=__version__)
    transport = ElementTree.SubElement(root, "Transport")
    _parameter(transport, "Tempo", numbers, unit="bpm", value=_number(_TEMPO), min="20", max="666")
    ElementTree.SubElement(transport, "TimeSignature", id=numbers.next(), numerator="4", denominator="4")
    structure = ElementTree.SubElement(root, "Structure")
    master = numbers.next()
    tracks = [_track(structure, numbers, track.name, track.channels, track.faders, master) for track in session.tracks]
    _track(structure, numbers, "Master", 2, Faders(session.gain), "", master)
    arrangement = ElementTree.SubElement(root, "Arrangement", id=numbers.next())
    lanes = ElementTree.SubElement(arrangement, "Lanes", id=numbers.next(), timeUnit="seconds")
    for track, track_id, name in zip(session.tracks, tracks, inner_names(session), strict=True):
        _clip(lanes, numbers, session, track, track_id, name)
    ElementTree.SubElement(root, "Scenes")
    return _xml(root)


def metadata(session: Session) -> bytes:
    """Return what is known of the song, as XML."""
    root = ElementTree.Element("MetaData")
    ElementTree.SubElement(root, "Title").text = _clean(session.title)
    for name, tag in _TAGS:
        if session.tags.get(tag):
            ElementTree.SubElement(root, name).text = _clean(session.tags[tag])
    return _xml(root)


class _Numbers:
    """Names for what others refer to."""

    def __init__(self) -> None:
        self._last = -1

    def next(self) -> str:
        """Return one that was not given yet."""
        self._last += 1
        return f"id{self._last}"


def _track(
    parent: ElementTree.Element,
    numbers: _Numbers,
    name: str,
    channels: int,
    faders: Faders,
    master: str,
    channel_id: str = "",
) -> str:
    """Add a track that leads to a master, or the master itself; return its id."""
    track_id = numbers.next()
    track = ElementTree.SubElement(parent, "Track", id=track_id, name=_clean(name), contentType="audio", loaded="true")
    if faders.colour:
        track.set("color", faders.colour)
    channel = ElementTree.SubElement(
        track, "Channel", id=channel_id or numbers.next(), audioChannels=str(channels), solo=_flag(faders.soloed)
    )
    channel.set("role", "regular" if master else "master")
    if master:
        channel.set("destination", master)
    ElementTree.SubElement(channel, "Mute", id=numbers.next(), name="Mute", value=_flag(faders.muted))
    pan = _number(0.5 + faders.pan / 2)
    _parameter(channel, "Pan", numbers, unit="normalized", value=pan, min="0", max="1")
    most = _number(max(2.0, faders.gain))
    _parameter(channel, "Volume", numbers, unit="linear", value=_number(faders.gain), min="0", max=most)
    return track_id


def _clip(
    parent: ElementTree.Element, numbers: _Numbers, session: Session, track: Track, track_id: str, name: str
) -> None:
    """Put the whole file of a track at the beginning of its lane."""
    duration = _number(session.duration_s)
    lane = ElementTree.SubElement(parent, "Lanes", id=numbers.next(), track=track_id)
    clips = ElementTree.SubElement(lane, "Clips", id=numbers.next())
    clip = ElementTree.SubElement(
        clips,
        "Clip",
        name=_clean(track.name),
        time="0",
        duration=duration,
        contentTimeUnit="seconds",
        playStart="0",
        playStop=duration,
    )
    audio = ElementTree.SubElement(
        clip,
        "Audio",
        id=numbers.next(),
        channels=str(track.channels),
        duration=duration,
        sampleRate=str(session.rate),
    )
    ElementTree.SubElement(audio, "File", path=name)


def _parameter(parent: ElementTree.Element, name: str, numbers: _Numbers, **values: str) -> None:
    ElementTree.SubElement(parent, name, {"id": numbers.next(), "name": name, **values})


def _number(value: float) -> str:
    return f"{value:.9g}"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _clean(text: str) -> str:
    """Return text as XML can hold it."""
    return _UNSPEAKABLE.sub("", text)


def _xml(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text
