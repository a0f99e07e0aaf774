"""`mnistexp schema`: the JSON schema of the config."""

import json


def schema() -> None:
    """Print the JSON schema of the whole config, for editors and for reference."""
    from mnistexp.config import Config

    print(json.dumps(Config.model_json_schema(), indent=2))
