"""`mnistexp ui`: errors before MLflow's server starts."""

import socket

from support import Command


def test_a_port_in_use_is_an_error_that_suggests_another(mnistexp: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = mnistexp("ui", "--port", str(port))
    assert outcome.exit_code == 2
    assert f"Try --port {port + 1}" in outcome.err
