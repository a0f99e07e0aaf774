"""The peak memory of a run."""

from mnistexp.device import Device, peak_memory_mb, reset_peak_memory


def test_the_peak_counts_from_the_last_reset() -> None:
    device = Device("processor", "cpu", "/CPU:0")
    reset_peak_memory(device)
    before = peak_memory_mb(device)["peak_memory_mb"]
    block = bytearray(300 * 1024**2)
    block[::4096] = b"x" * len(block[::4096])
    del block
    assert peak_memory_mb(device)["peak_memory_mb"] - before > 250
    reset_peak_memory(device)
    assert peak_memory_mb(device)["peak_memory_mb"] - before < 250
