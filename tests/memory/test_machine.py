"""What the machine says of itself is passed on, and nothing it might say makes a lesson fail."""

import subprocess

import psutil
import pytest

from quantlab.memory import machine


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


@pytest.mark.parametrize("answer", ["", "No devices were found", "GPU is lost", "A, [N/A], [N/A]", "a,b,c,d,e", ",,"])
def test_what_is_no_card_is_left_out(answer):
    assert machine.parse_nvidia(answer) == ()


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

    monkeypatch.setattr(machine.shutil, "which", lambda _name: "/nvidia-smi")
    monkeypatch.setattr(machine.subprocess, "run", hang)
    assert machine.nvidia_cards() == ()


def test_apple_silicon_offers_a_share_of_its_memory(monkeypatch):
    monkeypatch.setattr(machine.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    (small,), (large,) = machine.apple_card(16 * 2**30, 8 * 2**30), machine.apple_card(64 * 2**30, 60 * 2**30)
    assert small.free_bytes <= small.total_bytes < 16 * 2**30
    assert large.total_bytes == 48 * 2**30
