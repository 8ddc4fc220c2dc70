"""What every test may count on."""

import signal


def pytest_configure():
    # A shell starts what runs in its background with SIGINT ignored, and programs that a test
    # interrupts would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
