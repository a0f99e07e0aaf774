"""What a process and its tracking process tell each other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SendRequest:
    """The request to send a journal; or, without a folder, to open the store of later ones.

    For a journal that is being sent already: there is more to send.

    uri: of the store, with its password. working_folder: in which a store is created.
    """

    folder: str
    uri: str
    experiment: str
    working_folder: str


@dataclass(frozen=True)
class SendReport:
    """What happened to a journal.

    run_id, experiment_id: None before the run is in the store. position: in bytes, up to which the
    journal was sent. has_ended: all is sent, and the journal is removed. problem: why the store did
    not take the last records; empty if it did. is_refused: trying again is useless.
    """

    folder: str
    run_id: str | None = None
    experiment_id: str | None = None
    position: int = 0
    has_ended: bool = False
    problem: str = ""
    is_refused: bool = False
