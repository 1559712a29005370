from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from otoscope.base.errors import SiteError
from otoscope.model.sites import Kind, SiteTable


@pytest.fixture(scope="module")
def config() -> WhisperConfig:
    return WhisperConfig(
        d_model=12,
        encoder_layers=3,
        decoder_layers=2,
        encoder_attention_heads=3,
        decoder_attention_heads=2,
        encoder_ffn_dim=20,
        decoder_ffn_dim=24,
        max_source_positions=50,
        vocab_size=99,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
    )


@pytest.fixture(scope="module")
def table(config: WhisperConfig) -> SiteTable:
    return SiteTable(config, "some/whisper")


def test_every_site_is_listed_once_with_its_shape(table: SiteTable) -> None:
    shapes = {site.name: site.shape for site in table.sites.values()}
    assert len(shapes) == 3 + 3 * 11 + 3 + 2 * 17
    assert shapes["encoder.conv1"] == (None, 100, 12)
    assert shapes["encoder.conv2"] == shapes["encoder.blocks.2"] == shapes["encoder.ln_post"] == (None, 50, 12)
    assert shapes["encoder.blocks.1.mlp.1"] == (None, 50, 20)
    assert shapes["encoder.blocks.0.attn.pattern"] == (None, 3, 50, 50)
    assert shapes["decoder.blocks.1.mlp.0"] == (None, None, 24)
    assert shapes["decoder.blocks.1.attn.pattern"] == (None, 2, None, None)
    assert shapes["decoder.blocks.1.cross_attn.pattern"] == (None, 2, None, 50)
    assert shapes["decoder.blocks.0.cross_attn.key"] == (None, 50, 12)
    assert shapes["decoder.token_embedding"] == (None, None, 12)
    assert shapes["logits"] == (None, None, 99)


def test_every_site_is_at_its_module(table: SiteTable, config: WhisperConfig) -> None:
    with torch.device("meta"):
        modules = dict(WhisperForConditionalGeneration(config).named_modules())
    assert all(site.path in modules for site in table.sites.values())
    others = [site.path for site in table.sites.values() if site.kind is not Kind.PATTERN]
    assert len(set(others)) == len(others)


def test_axes_are_named_and_fit_the_shape(table: SiteTable) -> None:
    assert table.sites["decoder.blocks.0.cross_attn.pattern"].axes == ("window", "head", "token", "frame")
    assert table.sites["encoder.blocks.0.attn.pattern"].axes == ("window", "head", "frame", "frame")
    assert all(len(site.axes) == len(site.shape) and site.axes[0] == "window" for site in table.sites.values())


def test_rooms_and_blocks(table: SiteTable) -> None:
    assert (table.sites["encoder.blocks.2.mlp.0"].room, table.sites["encoder.blocks.2.mlp.0"].block) == ("encoder", 2)
    assert (table.sites["logits"].room, table.sites["logits"].block) == ("decoder", None)


def test_a_star_stops_at_dots_and_two_stars_do_not(table: SiteTable) -> None:
    assert table.expand("encoder.blocks.*") == ["encoder.blocks.0", "encoder.blocks.1", "encoder.blocks.2"]
    assert table.expand("encoder.blocks.*.mlp.1") == [f"encoder.blocks.{block}.mlp.1" for block in range(3)]
    assert table.expand("**.cross_attn.pattern") == [f"decoder.blocks.{block}.cross_attn.pattern" for block in range(2)]
    assert table.expand("encoder.conv?") == ["encoder.conv1", "encoder.conv2"]
    assert table.expand("**") == list(table.sites)
    assert table.expand("*") == ["logits"]


def test_a_dot_in_a_pattern_is_a_dot(table: SiteTable) -> None:
    with pytest.raises(SiteError, match="finds nothing"):
        table.expand("encoder.blocks*mlp.1")


def test_sites_come_in_the_order_asked_for_and_once(table: SiteTable) -> None:
    asked = ["logits", "encoder.blocks.*", "encoder.blocks.1", "encoder.conv1"]
    assert table.expand(asked) == ["logits", *(f"encoder.blocks.{block}" for block in range(3)), "encoder.conv1"]


def test_nothing_asked_for_is_nothing_found(table: SiteTable) -> None:
    assert table.expand([]) == []


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("model.encoder.layers.1", "encoder.blocks.1"),
        ("encoder.layers.1.fc1", "encoder.blocks.1.mlp.0"),
        ("model.encoder.layers.1.activation_fn", "encoder.blocks.1.mlp.1"),
        ("model.decoder.layers.0.encoder_attn.k_proj", "decoder.blocks.0.cross_attn.key"),
        ("model.decoder.layers.0.self_attn", "decoder.blocks.0.attn"),
        ("model.decoder.layers.0.self_attn.out_proj", "decoder.blocks.0.attn"),
        ("encoder.blocks.0.attn.out", "encoder.blocks.0.attn"),
        ("model.decoder.embed_tokens", "decoder.token_embedding"),
        ("proj_out", "logits"),
        ("encoder.blocks.2.hook_resid_post", "encoder.blocks.2"),
        ("encoder.blocks.2.attn.hook_q", "encoder.blocks.2.attn.query"),
        ("decoder.blocks.1.cross_attn.hook_pattern", "decoder.blocks.1.cross_attn.pattern"),
        ("decoder.blocks.1.mlp.hook_post", "decoder.blocks.1.mlp.1"),
        ("decoder.blocks.1.hook_mlp_out", "decoder.blocks.1.mlp.2"),
    ],
)
def test_aliases(table: SiteTable, alias: str, name: str) -> None:
    assert table.expand(alias) == [name]


def test_a_pattern_that_finds_names_leaves_aliases_alone(table: SiteTable) -> None:
    parts = [f"encoder.blocks.1.{part}" for part in ("attn_ln", "attn", "mlp_ln")]
    assert table.expand("encoder.blocks.1.*") == parts


def test_patterns_find_aliases(table: SiteTable) -> None:
    assert table.expand("model.encoder.layers.*.fc2") == [f"encoder.blocks.{block}.mlp.2" for block in range(3)]
    assert table.expand("encoder.blocks.*.attn.hook_pattern") == table.expand("encoder.blocks.*.attn.pattern")


def test_an_unknown_site_is_named_with_what_there_is_and_the_nearest(table: SiteTable) -> None:
    with pytest.raises(SiteError, match=r"'encoder\.blocks\.7\.mlp\.1' is not in some/whisper") as caught:
        table.expand(["logits", "encoder.blocks.7.mlp.1"])
    message = str(caught.value)
    assert "its encoder has blocks 0-2, its decoder has blocks 0-1" in message
    assert "Nearest: encoder.blocks." in message
    assert "otoscope sites some/whisper" in message


def test_a_misspelt_site_finds_the_one_meant(table: SiteTable) -> None:
    with pytest.raises(SiteError, match=r"Nearest: encoder\.ln_post"):
        table.expand("encoder.lnpost")


@pytest.mark.parametrize("name", ["", "...", "xyzzy", "encoder.blocks.-1"])
def test_nonsense_is_refused(table: SiteTable, name: str) -> None:
    with pytest.raises(SiteError, match="is not in some/whisper"):
        table.expand(name)


def test_a_site_is_named_by_text(table: SiteTable) -> None:
    with pytest.raises(SiteError, match="named by text, not by 3"):
        table.expand(["logits", 3])  # type: ignore[list-item]


def test_blocks_and_heads_are_checked(table: SiteTable) -> None:
    assert table.check_blocks(None) == {0, 1, 2}
    assert table.check_blocks([2, 0]) == {0, 2}
    assert table.check_heads([np.int64(1)]) == {1}
    with pytest.raises(SiteError, match="block 3 is not in some/whisper: its encoder has blocks 0-2"):
        table.check_blocks([0, 3])
    with pytest.raises(SiteError, match="head -1 is not in some/whisper: its encoder has heads 0-2"):
        table.check_heads([-1])
    with pytest.raises(SiteError, match=r"head 1\.5 is not"):
        table.check_heads([1.5])  # type: ignore[list-item]
