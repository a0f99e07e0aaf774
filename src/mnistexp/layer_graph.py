"""Run a functional Keras network layer by layer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def run_layers(network: "keras.Model", inputs: Any, call: Callable[[Any, Any], Any]) -> Any:
    """Run the layers of a network in the order of computation.

    Args:
        network: with one input and one output. Its own layers may have been called again since.
        inputs: a tensor or a symbolic tensor, in place of the input of the network.
        call: returns the output of a layer: its arguments are the layer, and its input or, for a
            layer that joins several, the list of its inputs.

    Returns:
        What `call` returned for the last layer.
    """
    # `input` and `output` are those of the first call of a layer: the one in this network.
    values = {id(network.inputs[0]): inputs}
    for layer in network.layers[1:]:
        received = layer.input
        if isinstance(received, list):
            arguments: Any = [values[id(tensor)] for tensor in received]
        else:
            arguments = values[id(received)]
        values[id(layer.output)] = call(layer, arguments)
    return values[id(network.outputs[0])]
