"""Random and mutated override lists, YAML files and IDX files, made from the schema.

Each gives a valid config (or data) or one clear message of an `InputError`: no other exception, and
no hang.
"""

import gzip
import io
import signal
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import run_command

from mnistexp.config.compose import compose_config, resolve_config
from mnistexp.config.config import Config, config_to_yaml, flatten_config
from mnistexp.config.config_groups import list_groups, option_file
from mnistexp.config.config_hash import config_hash
from mnistexp.config.config_source import ConfigSource
from mnistexp.config.schema_tree import SchemaTree
from mnistexp.data.files import read_idx
from mnistexp.errors import InputError
from torture.counts import Counts

TIMEOUT_SECONDS = 60
MAX_LINE_LENGTH = 2_000
OPTIONS_WITH_LAYERS = [f"model={name}" for name in ("softmax", "two_layers", "conv", "conv_big")]
ODD_CHARACTERS = " \t\n\x00\x1b\x7f\u202e\ud800'\"\\${}[]()<>=,:;~+@#&*!?%|-_.0aé水"
ODD_VALUES = [
    *("", "null", "???", "true", "nan", "inf", "-1", "0", "1e400", "9" * 400, "0x10", "a" * 10_000),
    *("${.}", "${..}", "${:}", "${", "${}", "${seed}", "${model}", "${oc.env:X,null}", "${a.b.c}"),
    *("${oc.deprecated:seed}", "${unique:}", "${hydra:job.name}", "${oc.select:model,1}"),
    *("[", "]", "{", "}", "[]", "{}", "[0.5]", "[1,[2,[3]]]", "{a: 1}", "{a:{b:[c]}}", "{1: 2}"),
    *("[" * 300, "[" * 300 + "]" * 300, "{a:" * 100 + "1" + "}" * 100, "'", '"', "a,b", "range(3)"),
    *("choice(a,b)", "interval(0,1)", "glob(*)", "sort(1,2)", "\x1b[31m", "a b", "\\", "int(3)"),
]
PLAUSIBLE_OPTIONS = [
    *[("model=softmax",), ("model=conv", "optim=adam_decay"), ("model=conv_batchnorm",)],
    *[("model=five_layers_dropout", "optim=sgd"), ("model=random_forest",), ("lab=3_1_conv_big",)],
]
Fault = str
"""What is wrong with the answer to an input; empty if nothing is."""


def setting_names() -> list[str]:
    """Return the settings of the schema, of layers, the groups, and names that do not exist."""
    layers = ("flatten", "hidden1", "conv1", "logits", "nothing")
    parts = ("", ".type", ".units", ".activation", ".rate", ".filters", ".bias_initializer.value")
    return [
        *SchemaTree(Config).setting_paths(),
        *(f"model.layers.{layer}{part}" for layer in layers for part in parts),
        *list_groups(),
        *("model.layers", "optim@x", "hydra.job.name", "hydra.run.dir", "hydra.mode", "hydra"),
        *(
            "hydra.overrides.task",
            "",
            ".",
            "a..b",
            "model.",
            "_target_",
            "defaults",
            "x/y",
            "seed@:a",
        ),
    ]


def values() -> st.SearchStrategy[str]:
    """Values as a user may type them: of options, numbers, lists, references, and nonsense."""
    options = [option for names in list_groups().values() for option in names]
    return st.one_of(
        st.sampled_from(options),
        st.sampled_from(ODD_VALUES),
        st.integers().map(str),
        st.floats().map(str),
        st.text(ODD_CHARACTERS, max_size=12),
        st.lists(st.integers(-2, 3), max_size=3).map(str),
    )


def overrides() -> st.SearchStrategy[str]:
    """An override, in one of Hydra's forms, and sometimes with a changed character."""
    names = st.sampled_from(setting_names())
    forms = st.sampled_from(
        ["{}={}"] * 6 + ["+{}={}", "++{}={}", "~{}", "~{}={}", "{}:{}", "{}=={}"]
    )
    typed = st.builds(lambda form, name, value: form.format(name, value), forms, names, values())
    return st.one_of(typed, typed, st.sampled_from(OPTIONS_WITH_LAYERS), typed.flatmap(_mutated))


def override_lists() -> st.SearchStrategy[list[str]]:
    """One to four overrides that a shell could pass."""
    typed = st.lists(overrides(), min_size=1, max_size=4)
    return typed.map(lambda texts: [text.replace("\x00", "") for text in texts])


def plausible_override_lists() -> st.SearchStrategy[list[str]]:
    """Options, and settings of an option with other values of their type; about half are valid."""
    return st.sampled_from(PLAUSIBLE_OPTIONS).flatmap(_plausible_list)


@cache
def _plausible_list(options: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    settings = flatten_config(compose_config(list(options))[0])
    typed = st.sampled_from(sorted(settings)).flatmap(
        lambda name: _plausible_values(settings[name]).map(lambda value: f"{name}={value}")
    )
    options_of_groups = [
        f"{group}={option}" for group, names in list_groups().items() for option in names
    ]
    more = st.lists(
        st.one_of(typed, typed, typed, st.sampled_from(options_of_groups), overrides()),
        min_size=1,
        max_size=3,
    )
    return more.map(lambda texts: [*options, *(text.replace("\x00", "") for text in texts)])


def _plausible_values(value: object) -> st.SearchStrategy[str]:
    """Values of the type of a setting, from its range and from beyond it."""
    match value:
        case bool():
            return st.sampled_from(["true", "false"])
        case int():
            return st.one_of(st.integers(1, 12), st.integers(-2, 10**9)).map(str)
        case float():
            return st.one_of(st.floats(0.001, 0.999), st.floats(-1e6, 1e6)).map(str)
        case list() | dict():
            return st.sampled_from([str(value).replace("'", ""), "[]", "{}", "[1,2]", "{a: 1}"])
        case None:
            return st.sampled_from(["null", "1", "0.5", "true", "test", "[0,100]"])
    return st.sampled_from([str(value), "relu", "sgd", "val_loss", "test", "same", "null", "a b"])


def yaml_texts() -> st.SearchStrategy[str]:
    """Files of models: those of the package with changes, and settings of random structure."""
    names = ("softmax", "two_layers", "conv", "five_layers")
    paths = [path for name in names if (path := option_file("model", name)) is not None]
    texts = st.sampled_from([path.read_text() for path in paths])
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(ODD_VALUES[:60])
    )
    keys = st.one_of(
        st.sampled_from(["type", "layers", "units", "defaults", "after", "a"]), scalars
    )
    trees = st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)
        ),
        max_leaves=10,
    )
    random = st.dictionaries(keys, trees, max_size=4).map(lambda tree: yaml.safe_dump(tree))
    return st.one_of(texts.flatmap(_mutated), texts.flatmap(_mutated_lines), random)


def idx_contents() -> st.SearchStrategy[bytes]:
    """IDX files with odd headers and lengths, plain and gzip, whole and cut."""
    sizes = st.sampled_from([0, 1, 2, 3, 28, 255, 65_536, 2**31, 2**32 - 1])
    shapes = st.one_of(st.lists(sizes, max_size=5), st.just([1] * 255), st.just([2**32 - 1] * 255))
    magics = st.sampled_from(
        [b"\x00\x00\x08"] * 6 + [b"\x00\x00\x09", b"\x08\x00\x00", b"", b"\x1f\x8b\x08"]
    )

    def build(magic: bytes, shape: list[int], num_values: int, extra: int) -> bytes:
        header = struct.pack(f">B{len(shape)}I", max(0, min(255, len(shape) + extra)), *shape)
        return magic + header + bytes(num_values)

    plain = st.builds(
        build, magics, shapes, st.integers(0, 100), st.sampled_from([0] * 8 + [1, -1])
    )
    cut = st.builds(lambda content, end: content[:end], plain, st.integers(0, 40))
    packed = plain.map(gzip.compress)
    broken = st.builds(
        lambda content, at, byte: content[:at] + bytes([byte]) + content[at + 1 :],
        packed, st.integers(0, 30), st.integers(0, 255),
    )  # fmt: skip
    bomb = st.just(gzip.compress(b"\x00\x00\x08\x01" + struct.pack(">I", 3) + bytes(10_000_000)))
    return st.one_of(plain, cut, packed, broken, bomb)


def _mutated(text: str) -> st.SearchStrategy[str]:
    """A text with a piece replaced by odd characters."""

    def change(start: int, length: int, new: str) -> str:
        return text[:start] + new + text[start + length :]

    pieces = st.text(ODD_CHARACTERS, max_size=3)
    return st.builds(change, st.integers(0, len(text)), st.integers(0, 5), pieces)


def _mutated_lines(text: str) -> st.SearchStrategy[str]:
    """A text with a line removed, repeated, indented, or followed by an odd one."""
    odd_lines = [
        "\tunits: 3",
        "a: &a [*a]",
        "- x",
        "---",
        "units: {a",
        "x: !!python/name:os.system",
        "? ",
        "*b",
    ]
    odd_lines += [
        "defaults: [mine]",
        "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b]",
    ]
    lines = text.splitlines()

    def change(index: int, action: int, odd: str) -> str:
        line = lines[index]
        new = ([], [line, line], [f"  {line}"], [line, odd], [line.lstrip()])[action]
        return "\n".join([*lines[:index], *new, *lines[index + 1 :]])

    return st.builds(
        change, st.integers(0, len(lines) - 1), st.integers(0, 4), st.sampled_from(odd_lines)
    )


def compose_fault(typed: list[str]) -> Fault:
    """Compose overrides. A valid config has the same hash after it was written and read as YAML."""

    def compose() -> None:
        config, _ = compose_config(typed)
        written: Any = yaml.safe_load(config_to_yaml(config))
        from omegaconf import OmegaConf

        again = resolve_config(OmegaConf.create(written), ConfigSource())
        assert config_hash(again, "") == config_hash(config, ""), "YAML of another hash"

    return _fault(compose)


def command_fault(typed: list[str]) -> Fault:
    """Type overrides; `--cfg job` prints the settings that the run would have."""
    out, err = io.StringIO(), io.StringIO()

    def run() -> None:
        with redirect_stdout(out), redirect_stderr(err):
            code = run_command(*typed, "--cfg", "job")
        lines = [line for line in err.getvalue().splitlines() if not line.startswith("warning: ")]
        assert code in (0, 2), f"exit code {code}: {err.getvalue()}"
        assert bool(lines) == bool(code), f"exit code {code} with {lines}"
        assert all(": " in line for line in lines), f"a line that names no setting: {lines}"
        if code == 0:
            NUM_VALID["command lines"] += 1
            compose_config(typed)

    return _fault(run) or (compose_fault(typed) if not err.getvalue() else "")


def yaml_fault(text: str) -> Fault:
    """Compose `model=mine` with a file of this text, in the working folder."""
    file = Path("conf/model/mine.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(errors="surrogatepass"))
    return compose_fault(["model=mine"])


def idx_fault(content: bytes) -> Fault:
    """Read a file of this content."""
    file = Path("file.gz" if content[:2] == b"\x1f\x8b" else "file")
    file.write_bytes(content)
    return _fault(lambda: read_idx(file, None))


def _fault(action: Callable[[], object]) -> Fault:
    def interrupt(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(TIMEOUT_SECONDS)
    try:
        action()
    except InputError as error:
        return _message_fault(str(error))
    # Any other exception would be a traceback, which is what this looks for.
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    return ""


def _message_fault(message: str) -> Fault:
    if not message or any(not line for line in message.split("\n")):
        return f"an empty line: {message!r}"
    if any(len(line) > MAX_LINE_LENGTH for line in message.split("\n")):
        return f"a line of {max(map(len, message.splitlines()))} characters: {message[:200]!r}"
    if any(not (char.isprintable() or char == "\n") for char in message):
        return f"characters that cannot be printed: {message[:300]!r}"
    return ""


KINDS: dict[str, tuple[Callable[[], st.SearchStrategy[Any]], Callable[[Any], Fault]]] = {
    "override lists": (override_lists, compose_fault),
    "command lines": (plausible_override_lists, command_fault),
    "YAML files": (yaml_texts, yaml_fault),
    "IDX files": (idx_contents, idx_fault),
}


NUM_VALID: Counter[str] = Counter()
"""How many inputs of a kind were valid, where it is counted."""


def feed_bad_input(kind: str, number: int, *, same_each_time: bool = False) -> Counts:
    """Try a number of random inputs of a kind, in a folder of their own."""
    NUM_VALID.clear()
    with TemporaryDirectory() as folder, chdir(folder):
        counts = _feed(kind, number, same_each_time)
    if NUM_VALID:
        print(f"{NUM_VALID[kind]:,} of {counts.tried:,} {kind} were valid", flush=True)
    return counts


def _feed(kind: str, number: int, same_each_time: bool) -> Counts:
    strategy, find_fault = KINDS[kind]
    tried: list[Fault] = []

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=same_each_time,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy())
    def try_one(value: Any) -> None:
        fault = find_fault(value)
        tried.append(f"{value!r}"[:300] + f": {fault}" if fault else "")

    try_one()
    return Counts(f"random and mutated {kind}", len(tried), tuple(filter(None, tried)))
