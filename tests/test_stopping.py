"""Signals stop work at once or are noted until its state is saved."""

import os
import signal

import pytest

from ldm.stopping import Stop, Stopped


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds, that a list's last number says."""
    times = [0.0]
    monkeypatch.setattr("ldm.stopping.time.monotonic", lambda: times[-1])
    return times


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_or_raised_and_the_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with Stop() as stop:
        os.kill(os.getpid(), number)
        assert stop.asked == number
    with pytest.raises(Stopped, match=signal.Signals(number).name) as stopped, Stop(at_once=True):
        os.kill(os.getpid(), number)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sent_twice_by_a_launcher_counts_once(clock, number):
    with Stop() as stop:
        os.kill(os.getpid(), number)
        clock.append(0.1)
        os.kill(os.getpid(), number)
        assert stop.asked == number


def test_a_second_interrupt_by_hand_stops_without_waiting_for_the_step(clock):
    with Stop():
        os.kill(os.getpid(), signal.SIGINT)
        clock.append(3.0)
        with pytest.raises(Stopped, match="SIGINT, what was finished is kept"):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_background_command_goes_on_ignoring_interrupts():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stop() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_that_a_library_sets_meanwhile_are_replaced():
    with Stop(at_once=True), Stop() as stop:
        signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the library's"))
        stop.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked == signal.SIGTERM
