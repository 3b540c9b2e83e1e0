"""What is said of cards that are not NVIDIA's: each statement has a source, each such card gets them."""

import re

import pytest

import quantlab as ql
from quantlab.memory.backends import backend_of, layout_notes
from quantlab.memory.cards import GPUS
from quantlab.models.catalog import rows_of

ROWS = rows_of("backends.csv")


def test_every_card_of_the_table_has_a_backend_and_only_nvidias_is_what_is_counted():
    by_backend = {backend: [card for card in GPUS if backend_of(card) == backend]
                  for backend in ("CUDA", "Metal", "Vulkan")}
    assert sum(map(len, by_backend.values())) == len(GPUS)
    assert all(card.startswith("Apple") for card in by_backend["Metal"])
    assert not [card for card in by_backend["CUDA"] if re.match("Apple|Radeon|Instinct|Intel", card)]
    assert all(bool(layout_notes(card)) == (backend_of(card) != "CUDA") for card in GPUS)
    with pytest.raises(ValueError, match="no card"):
        backend_of("GeForce 1")


def test_each_statement_names_the_file_and_build_it_was_read_in():
    keys = [{row["key"] for row in ROWS if row["backend"] == backend} for backend in ("Metal", "Vulkan")]
    assert keys[0] == keys[1] == {"rows", "operations", "host", "flash", "largest"}
    assert all(re.search(r"llama\.cpp b\d+ ggml-(metal|vulkan)", row["source"]) for row in ROWS)


@pytest.mark.parametrize("card", ["Apple M4 16GB", "Radeon RX 7900 XTX", "Intel Arc B580"])
def test_the_memory_bar_says_so_where_such_a_card_is_chosen(card):
    explorer = ql.explore_memory("llama3.1:8b", 8)
    assert "as for CUDA" not in explorer.picture.svg
    explorer.set(card=card)
    assert "counted as for CUDA" in explorer.picture.svg
    told = [row[1] for row in explorer.picture.table if row[0] == "note"]
    assert list(layout_notes(card)) == told[-len(layout_notes(card)):]
