"""What was set on a method last comes back, as far as it still fits."""

from stemeditor.app.remembered import remember, remembered
from stemeditor.methods import registry
from stemeditor.settings import Settings


def test_what_was_set_comes_back_for_that_method_only() -> None:
    settings = Settings(None)
    remember(settings, registry.info("kam"), {"focus": 8})
    assert remembered(settings, registry.info("kam")) == {"focus": 8}
    assert remembered(settings, registry.info("nmf")) == {}


def test_defaults_are_not_kept_so_that_better_ones_may_come() -> None:
    settings, info = Settings(None), registry.info("kam")
    remember(settings, info, {"focus": 8})
    remember(settings, info, {param.name: param.default for param in info.params})
    assert settings.text("parameters") == ""


def test_places_in_one_song_are_forgotten() -> None:
    settings = Settings(None)
    remember(settings, registry.info("guided_nmf"), {"from_s": 3.0, "to_s": 5.0})
    remember(settings, registry.info("nmf"), {"overrule": "3 vocals"})
    assert settings.text("parameters") == ""


def test_a_broken_memory_is_none() -> None:
    settings, info = Settings(None), registry.info("kam")
    for text in ("{", "[1]", '{"kam": 3}', '{"kam": {"focus": "loud", "gone": 1}}', '{"kam": {"focus": null}}'):
        settings.set("parameters", text)
        assert remembered(settings, info) == {}
