"""The command `mnistexp`, also as `python -m mnistexp`."""

import signal


def main() -> None:
    """Import the command and run it. Ctrl-C during the import ends it without a traceback."""
    python_handler = signal.getsignal(signal.SIGINT)
    if python_handler is signal.default_int_handler:  # Else a shell lets it ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mnistexp.cli import main as run_command
    from mnistexp.signals import acknowledge_interrupts

    signal.signal(signal.SIGINT, python_handler)
    acknowledge_interrupts()
    run_command()


if __name__ == "__main__":
    main()
