"""What the machine says of itself is passed on, and nothing it might say makes a lesson fail."""

import subprocess

import psutil
import pytest

from quantlab.memory import machine
from quantlab.memory.cards import ASSUMED, NO_CARD
from tests.posix import posix_only


def test_the_live_machine_is_the_one_we_run_on(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    found = machine.my_machine()
    assert found.ram_bytes == psutil.virtual_memory().total
    assert 0 < found.ram_free_bytes <= found.ram_bytes
    assert found.cores >= 1


def test_the_reference_machine_never_changes(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    assert machine.my_machine() is machine.REFERENCE


def test_a_misspelt_profile_is_refused(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "demo")
    with pytest.raises(ValueError, match="'demo'"):
        machine.my_machine()


def test_nvidia_smi_lines_become_cards():
    cards = machine.parse_nvidia("NVIDIA GeForce RTX 4090, 24564, 23010\nTesla T4, 15360, 15000\n")
    assert [(c.name, c.total_bytes // 2**20, c.free_bytes // 2**20) for c in cards] == [
        ("NVIDIA GeForce RTX 4090", 24564, 23010), ("Tesla T4", 15360, 15000)]


@pytest.mark.parametrize("answer", ["", "No devices were found", "GPU is lost", "A, [N/A], [N/A]",
                                    "a,b,c,d,e", ",,"])
def test_what_is_no_card_is_left_out(answer):
    assert machine.parse_nvidia(answer) == ()


@posix_only
@pytest.mark.parametrize("script", ["exit 9", "kill -9 $$", "echo '\\377\\376'"])
def test_a_broken_driver_is_no_card(tmp_path, monkeypatch, script):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine.nvidia_cards() == ()


def test_a_driver_that_hangs_is_no_card(monkeypatch):
    def hang(*_args, **kwargs):
        raise subprocess.TimeoutExpired("nvidia-smi", kwargs["timeout"])

    monkeypatch.setattr(machine.subprocess, "run", hang)
    assert machine.nvidia_cards() == ()


def test_apple_silicon_offers_a_share_of_its_memory(monkeypatch):
    monkeypatch.setattr(machine.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    (small,), (large,) = machine.apple_card(16 * 2**30, 8 * 2**30), machine.apple_card(64 * 2**30, 60 * 2**30)
    assert small.free_bytes <= small.total_bytes < 16 * 2**30
    assert large.total_bytes == 48 * 2**30


def test_macos_share_is_two_thirds_then_three_quarters_unless_the_owner_set_it():
    assert machine.apple_share(16 * 2**30) == 16 * 2**30 * 2 // 3
    assert machine.apple_share(128 * 2**30) == 96 * 2**30
    # as llama-server shows it: github:Andyyyy64/whichllm issue 152
    assert machine.apple_share(32 * 2**30, 26000) == 26000 * 2**20


#: As Ollama wrote them: 0.5 on an A10G (github:batteries-included/batteries-included pull 1663), 0.17.4 on a
#: machine without a card.
A10G = (
    'time=2025-02-26T21:01:23.251Z level=INFO source=types.go:131 msg="inference compute" '
    'id=GPU-dd1f9e61-27e0-16ad-dd71-766641270fd6 library=cuda variant=v12 compute=8.6 driver=12.2 '
    'name="NVIDIA A10G" total="22.0 GiB" available="21.7 GiB"')
PROCESSOR = (
    'time=2026-11-24T22:33:15.111Z level=INFO source=types.go:60 msg="inference compute" id=cpu library=cpu '
    'compute="" name=cpu '
    'description=cpu libdirs=ollama driver="" pci_id="" type="" total="23.5 GiB" available="20.3 GiB"')


def test_ollamas_log_names_the_cards_it_found():
    (card,) = machine.parse_ollama(f"listening\n{A10G}\n{PROCESSOR}\n")
    assert (card.name, card.total_bytes, card.free_bytes) == ("NVIDIA A10G", 22 * 2**30, int(21.7 * 2**30))
    # LogDetails since 0.13 says both
    newer = A10G.replace('name="NVIDIA A10G"', 'name=CUDA0 description="NVIDIA A10G"')
    assert machine.parse_ollama(newer) == (card,)


@pytest.mark.parametrize("log", ["", PROCESSOR, A10G.replace("22.0 GiB", "many"),
                                 A10G.replace('total="22.0 GiB"', ""), "\0\ufffd=\""])
def test_what_is_no_card_in_the_log_is_left_out(log):
    assert machine.parse_ollama(log) == ()


def test_ollamas_log_is_read_where_its_installers_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.Path, "home", lambda: tmp_path)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert machine.ollama_cards() == ()
    (tmp_path / ".ollama" / "logs").mkdir(parents=True)
    (tmp_path / ".ollama" / "logs" / "server.log").write_text(A10G)
    assert machine.ollama_cards()[0].name == "NVIDIA A10G"


def test_amds_driver_tells_bytes(tmp_path):
    for card, total, used in (("card0", str(2**29), "0"), ("card1", f"{16 * 2**30}\n", f"{2**30}\n"),
                              ("card2", "none", "0")):
        folder = tmp_path / card / "device"
        folder.mkdir(parents=True)
        (folder / "mem_info_vram_total").write_text(total)
        (folder / "mem_info_vram_used").write_text(used)
    assert machine.amd_cards(tmp_path) == (machine.Gpu("AMD graphics card", 16 * 2**30, 15 * 2**30),)


def test_a_card_of_your_choice_stands_in_place_of_the_machines_own(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    chosen = machine.my_machine(card="GeForce RTX 4090")
    assert (chosen.gpus[0].free_bytes, chosen.ram_bytes) == (24 * 2**30, machine.REFERENCE.ram_bytes)
    assert machine.my_machine(vram_gib=6.5).gpus[0].total_bytes == int(6.5 * 2**30)
    assert machine.my_machine(card="DDR4-3200, two channels").gpus == machine.my_machine(
        vram_gib=0).gpus == ()


@pytest.mark.parametrize(("asked", "words"),
                         [({"card": "RTX 4091"}, "nearest are"), ({"vram_gib": -1}, "vram_gib=-1"),
                          ({"vram_gib": float("nan")}, "vram_gib=nan"), ({"vram_gib": 10**9}, "1000000000")])
def test_a_card_that_cannot_be_is_named(asked, words):
    with pytest.raises(ValueError, match=words):
        machine.my_machine(**asked)


def test_without_a_card_one_named_assumption_is_made(monkeypatch):
    assert machine.card_or_assumed() == machine.REFERENCE.gpus[0]
    small, large = machine.Gpu("a", 1, 1), machine.Gpu("b", 2, 1)
    for gpus, found in (((small, large), large), ((), machine.Gpu(NO_CARD, ASSUMED, ASSUMED))):
        monkeypatch.setattr(machine, "my_machine", lambda gpus=gpus: machine.Machine("Linux", 4, 6, 5, gpus))
        assert machine.card_or_assumed() == found
    assert "8 GiB is assumed" in NO_CARD and ASSUMED == 8 * 2**30
