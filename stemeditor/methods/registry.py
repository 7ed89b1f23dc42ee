"""Which methods there are. A method's module is imported when it is first asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec

from stemeditor import settings
from stemeditor.errors import UserError
from stemeditor.methods import roformer, trained
from stemeditor.methods.base import Method, MethodInfo, Missing, Needy
from stemeditor.methods.ensemble import JOIN, Ensemble
from stemeditor.methods.wiener import refined

DEFAULT = "blend"
"""The method of the Separate button and of `stemeditor separate`, wherever networks can be computed."""

PLAIN = "classic"
"""The one elsewhere."""

ENTRY_POINTS = "stemeditor.methods"
"""Other packages may add methods: an entry point of this group is key = "module:Class"."""

_TABLE = {
    "blend": "stemeditor.methods.blend:Blend",
    "compact": "stemeditor.methods.neural:Compact",
    "htdemucs": "stemeditor.methods.demucs:htdemucs",
    "htdemucs_ft": "stemeditor.methods.demucs:htdemucs_ft",
    "htdemucs_6s": "stemeditor.methods.demucs:htdemucs_6s",
    "hdemucs_mmi": "stemeditor.methods.demucs:hdemucs_mmi",
    "mdx_extra": "stemeditor.methods.demucs:mdx_extra",
    "hdemucs_high_musdb_plus": "stemeditor.methods.demucs:hdemucs_high_musdb_plus",
    "hdemucs_high_musdb": "stemeditor.methods.demucs:hdemucs_high_musdb",
    "umxl": "stemeditor.methods.open_unmix:umxl",
    "umxhq": "stemeditor.methods.open_unmix:umxhq",
    "umxse": "stemeditor.methods.open_unmix:umxse",
    "bs_roformer": "stemeditor.methods.roformer:bs_roformer",
    "mel_band_roformer": "stemeditor.methods.roformer:mel_band_roformer",
    "spleeter:2": "stemeditor.methods.spleeter:two",
    "spleeter:4": "stemeditor.methods.spleeter:four",
    "spleeter:5": "stemeditor.methods.spleeter:five",
    "classic": "stemeditor.methods.classic:Classic",
    "kam": "stemeditor.methods.neighbours:Kam",
    "hpss": "stemeditor.methods.hpss:Hpss",
    "centre": "stemeditor.methods.stereo:Centre",
    "adress": "stemeditor.methods.adress:Adress",
    "repet": "stemeditor.methods.repet:Repet",
    "adaptive_repet": "stemeditor.methods.repet:AdaptiveRepet",
    "repet_sim": "stemeditor.methods.repet_sim:RepetSim",
    "knn": "stemeditor.methods.neighbours:Knn",
    "nmf": "stemeditor.methods.nmf:Nmf",
    "nmfd": "stemeditor.methods.nmf:Nmfd",
    "nmf2d": "stemeditor.methods.nmf:Nmf2d",
    "ntf": "stemeditor.methods.spatial_nmf:Ntf",
    "mnmf": "stemeditor.methods.spatial_nmf:Mnmf",
    "beamspace_mnmf": "stemeditor.methods.spatial_nmf:BeamspaceMnmf",
    "sparse_mnmf": "stemeditor.methods.spatial_nmf:SparseMnmf",
    "guided_nmf": "stemeditor.methods.guided_nmf:GuidedNmf",
    "lead_voice": "stemeditor.methods.lead_voice:LeadVoice",
    "pca": "stemeditor.methods.low_rank:Pca",
    "rpca": "stemeditor.methods.low_rank:Rpca",
    "improved_rpca": "stemeditor.methods.low_rank:ImprovedRpca",
    "weighted_rpca": "stemeditor.methods.low_rank:WeightedRpca",
    "fastica": "stemeditor.methods.independence:FastIca",
    "fft_ica": "stemeditor.methods.independence:FftIca",
    "auxiva": "stemeditor.methods.independence:AuxIva",
    "ilrma": "stemeditor.methods.independence:Ilrma",
    "t_ilrma": "stemeditor.methods.independence:StudentTIlrma",
    "consistent_ilrma": "stemeditor.methods.independence:ConsistentIlrma",
    "sparse_ilrma": "stemeditor.methods.independence:SparseIlrma",
}

SHIPPED = tuple(_TABLE)
"""The keys of the program's own methods."""


def default() -> str:
    """Return the method of who does not choose one: the best that needs no download and can be computed here."""
    return DEFAULT if any(find_spec(program) for program in ("openvino", "torch")) else PLAIN


def keys() -> tuple[str, ...]:
    """Return the keys of all methods: the default, ours, others', and what a person has trained or put together."""
    others = sorted(entry.name for entry in entry_points(group=ENTRY_POINTS))
    ensembles = settings.stored("ensembles")
    assert isinstance(ensembles, list)
    return (
        *_TABLE,
        *(key for key in others if key not in _TABLE),
        *roformer.own_keys(),
        *trained.keys(),
        *ensembles,
    )


def ready() -> tuple[str, ...]:
    """Return the keys of the methods that can be used on this machine now."""
    return tuple(key for key in keys() if info(key).needs == "nothing" or missing(key) is None)


def load(key: str) -> Method:
    """Return the method of that key.

    Raises
    ------
    UserError
        If there is none, or another package's cannot be loaded; the hint names the nearest key.
    """
    if key in _TABLE:
        module, _, name = _TABLE[key].partition(":")
        made: Method = getattr(import_module(module), name)()
        return made if isinstance(made, Ensemble) else refined(made)
    if JOIN in key:
        names = list(dict.fromkeys(part.strip() for part in key.split(JOIN) if part.strip()))
        if len(names) < 2:
            raise UserError(
                f"“{key}” is no ensemble.", f"Write two different methods or more, such as classic{JOIN}kam."
            )
        return Ensemble([load(name) for name in names])
    if key.startswith(trained.OWN):
        return refined(trained.load(key))
    if key in roformer.own_keys():
        return refined(roformer.RoformerMethod(key))
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == key:
            try:
                loaded = refined(entry.load()())
            except Exception as problem:
                raise UserError(
                    f"The method “{key}” cannot be loaded ({problem}).", f"Reinstall the package {entry.value}."
                ) from problem
            return loaded
    near = get_close_matches(key, keys(), 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(keys())}."
    raise UserError(f"There is no method “{key}”.", hint)


def missing(key: str) -> Missing | None:
    """Return what a method lacks on this machine, or None if it can be used. Raises as `load`."""
    method = load(key)
    return method.missing() if isinstance(method, Needy) else None


def info(key: str) -> MethodInfo:
    """Return what a method says about itself. Raises as `load`."""
    return load(key).info
