"""Tests of the private APIs in `docs/compatibility.md`: each does what the package needs of it."""

import ast
import inspect
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import siamese_verify as sv
from siamese_verify import onednn
from siamese_verify.backends import portable
from siamese_verify.layers.fast.batch_norm import FastBatchNormalization

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| ([^|]*`[^|]*) \| `([\w/]+)`.* \| .+ \|$",
    (ROOT / "docs/compatibility.md").read_text(),
    re.MULTILINE,
)
LISTED = [api.replace("`", "") for api, _ in ROWS]
CHECKS: dict[str, Callable[[Path], None]] = {}


def check(api: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Enter a function as the check of a row."""

    def enter(function: Callable[[Path], None]) -> Callable[[Path], None]:
        CHECKS[api] = function
        return function

    return enter


def test_each_row_has_a_check() -> None:
    assert sorted(LISTED) == sorted(CHECKS)


@pytest.mark.parametrize("api", CHECKS)
def test_a_private_api_does_what_the_package_needs(api: str, tmp_path: Path) -> None:
    CHECKS[api](tmp_path)


def train(**arguments: object) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 2)), np.zeros(4), verbose=0, **arguments)
    return model


# --- Keras


@check("keras.metrics.Metric._direction")
def _(_: Path) -> None:
    class Metric(keras.metrics.MeanSquaredError):
        def __init__(self, direction: str):
            super().__init__(name="mine")
            self._direction = direction

    for direction, better in (("up", np.greater), ("down", np.less)):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[Metric(direction)])
        stopping = keras.callbacks.EarlyStopping("mine")
        model.fit(np.ones((4, 2)), np.zeros(4), verbose=0, callbacks=[stopping])
        assert bool(stopping.monitor_op(2, 1)) == better(2, 1)


@check("keras.Optimizer._trainable_variables")
def _(_: Path) -> None:
    model = train()
    expected = [variable.path for variable in model.trainable_variables]
    model.layers[0].trainable = False
    assert [variable.path for variable in model.optimizer._trainable_variables] == expected


@check("keras.Layer._flatten_layers")
def _(_: Path) -> None:
    inner = keras.layers.Dense(1)
    outer = keras.Sequential([keras.Input((2,)), keras.Sequential([inner])])
    assert any(layer is inner for layer in outer._flatten_layers())


@check("module of a class in keras.applications")
def _(_: Path) -> None:
    module = inspect.getmodule(keras.applications.MobileNetV3Small)
    assert module.preprocess_input is keras.applications.mobilenet_v3.preprocess_input


@check("keras.optimizers.Adam._get_variable_index")
def _(_: Path) -> None:
    model = train()
    found = [model.optimizer._get_variable_index(v) for v in model.trainable_variables]
    assert found == [0, 1]


@check("keras.optimizers.Adam._momentums")
def _(_: Path) -> None:
    check_moments("_momentums")


@check("keras.optimizers.Adam._velocities")
def _(_: Path) -> None:
    check_moments("_velocities")


def check_moments(name: str) -> None:
    model = train()
    shapes = [tuple(moment.shape) for moment in getattr(model.optimizer, name)]
    assert shapes == [tuple(variable.shape) for variable in model.trainable_variables]


@check("keras.Model._initial_epoch")
def _(_: Path) -> None:
    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs: object = None) -> None:
            self.model._initial_epoch = 2

    assert train(epochs=4, callbacks=[Resume()]).history.epoch == [2, 3]


CALLBACK_STATES = {
    "ModelCheckpoint._batches_seen_since_last_saving": ("m.keras",),
    "ModelCheckpoint._last_batch_seen": ("m.keras",),
    "SwapEMAWeights._ema_weights_in_model": (),
    "TensorBoard._global_train_batch": ("logs",),
    "TensorBoard._global_test_batch": ("logs",),
    "TensorBoard._previous_epoch_iterations": ("logs",),
}


def check_callback_state(attribute: str, arguments: tuple[str, ...]) -> None:
    """Check that a callback has the attribute, which `Resumable` keeps."""
    kind, _, name = attribute.partition(".")
    callback = getattr(keras.callbacks, kind)(*arguments)
    assert name in vars(callback)


for attribute, arguments in CALLBACK_STATES.items():
    CHECKS[f"keras.callbacks.{attribute}"] = lambda _, a=attribute, b=arguments: (
        check_callback_state(a, b)
    )


@check("keras.callbacks.CSVLogger.csv_file")
def _(folder: Path) -> None:
    logger = keras.callbacks.CSVLogger(folder / "log.csv", append=True)
    train(callbacks=[logger])
    assert {"append_header", "keys"} <= vars(logger).keys()
    assert logger.csv_file.closed


@check("__name__ of a layer in a file of weights")
def _(folder: Path) -> None:
    def network(kind: type) -> keras.Model:
        return keras.Sequential([keras.Input((2,)), kind()])

    theirs = network(keras.layers.BatchNormalization)
    theirs.set_weights([np.full(2, value, np.float32) for value in (1, 2, 3, 4)])
    theirs.save_weights(folder / "their.weights.h5")
    ours = network(FastBatchNormalization)
    ours.load_weights(folder / "their.weights.h5")
    np.testing.assert_array_equal(ours.get_weights(), theirs.get_weights())


@check("keras.src.backend.common.global_state")
def _(_: Path) -> None:
    from keras.src.backend.common import global_state

    keras.random.uniform(())  # Needs the global seed generator, and so creates it.
    found = global_state.get_global_attribute("global_seed_generator")
    assert isinstance(found, keras.random.SeedGenerator)
    with keras.StatelessScope(initialize_variables=False):
        keras.layers.Dense(2).build((None, 3))
    waiting = global_state.get_global_attribute("uninitialized_variables")
    assert [variable.shape for variable in waiting] == [(3, 2), (2,)]
    global_state.set_global_attribute("uninitialized_variables", [])


@check("keras.src.random.seed_generator.global_seed_generator")
def _(_: Path) -> None:
    from keras.src.random.seed_generator import global_seed_generator

    generator = global_seed_generator()
    state = generator.state.numpy() if hasattr(generator.state, "numpy") else generator.state.value
    state = np.array(state)
    first = np.array(keras.random.uniform((3,)))
    generator.state.assign(state)
    np.testing.assert_array_equal(keras.random.uniform((3,)), first)


@check("keras.Model.predict_step(state, data)")
def _(_: Path) -> None:
    if keras.backend.backend() != "jax":
        pytest.skip("Only JAX has this signature.")
    model, images = train(), np.ones((3, 2), np.float32)
    weights = model.trainable_variables, model.non_trainable_variables
    state = tuple([variable.value for variable in part] for part in weights)
    outputs, _ = model.predict_step(state, (images,))
    np.testing.assert_allclose(outputs, model.predict(images, verbose=0), atol=1e-6)


@check("config.json in a .keras file")
def _(folder: Path) -> None:
    path = folder / "model.keras"
    train().save(path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    assert config["class_name"] == "Sequential"
    assert config["config"]["layers"][-1]["class_name"] == "Dense"


@check("other members of a .keras file")
def _(folder: Path) -> None:
    path = folder / "model.keras"
    model = train()
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("verifier.json", "{}")
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@check("keras.src.backend.torch.optimizers in a file")
def _(_: Path) -> None:
    if keras.backend.backend() != "torch":
        pytest.skip("Only torch has classes of its own.")
    config = keras.saving.serialize_keras_object(keras.optimizers.SGD(0.1))
    assert config["module"].startswith("keras.src.backend.torch.optimizers.")
    again = keras.saving.deserialize_keras_object(portable(config))
    assert again.get_config() == config["config"]


@check("keras.distribution.TensorLayout.backend_layout")
def _(_: Path) -> None:
    if keras.backend.backend() == "torch":
        pytest.skip("Keras has no distribution with torch.")
    distribute = pytest.importorskip("keras.src.backend.jax.distribution_lib").distribute_data_input
    import jax

    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("batch",))
    asked = []

    class Layout(keras.distribution.TensorLayout):
        @property
        def backend_layout(self) -> object:
            asked.append(1)
            return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    layout = Layout(("batch", None))
    for number in (1, 2):
        distribute(np.ones((4, 2)), layout, "batch")
        assert len(asked) == number


# --- TensorFlow


@check("tf.data.Dataset._inputs")
def _(_: Path) -> None:
    source = tf.data.Dataset.range(4)
    (mapped,) = source.map(lambda row: row + 1).prefetch(1)._inputs()
    assert mapped._inputs() == [source]


@check("tensorflow.python.util._pywrap_util_port.IsMklEnabled")
def _(_: Path) -> None:
    from tensorflow.python.util._pywrap_util_port import IsMklEnabled

    assert bool(IsMklEnabled()) == onednn._is_on()


@check("tf.Tensor.backing_device")
def _(_: Path) -> None:
    with tf.device("CPU"):
        assert "CPU" in tf.constant(1.0).backing_device


@check("memoryview(tf.Tensor)")
def _(_: Path) -> None:
    with tf.device("CPU"):
        variable = tf.Variable(np.arange(1000, dtype=np.float32))
        held = tf.convert_to_tensor(variable)
        assert address(held) == address(tf.convert_to_tensor(variable))
        variable.assign_add(tf.ones(1000))
        assert address(held) != address(tf.convert_to_tensor(variable))
        np.testing.assert_array_equal(held, np.arange(1000, dtype=np.float32))


def address(tensor: tf.Tensor) -> int:
    return np.asarray(memoryview(tensor)).__array_interface__["data"][0]


# --- Nothing else

# Names of the standard library, of named tuples, `argparse` and `sys`, and parts of our own names.
PYTHONS_OWN = {
    *("_current_frames", "_exit"),
    *("_asdict", "_fields", "_replace"),
    *("_ArgumentGroup", "_SubParsersAction", "_getframe"),
    *("_actions", "_batch_", "_p_value"),
}


def private_uses(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Find private modules that a file imports, and private attributes that it does not own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute | ast.Constant):
            name = node.attr if isinstance(node, ast.Attribute) else str(node.value)
            if re.fullmatch(r"_[a-z]\w*", name) and name not in own:
                yield name
            continue
        else:
            continue
        yield from (name for name in names if is_private_module(name))


def is_private_module(name: str) -> bool:
    package, *parts = name.split(".")
    is_foreign = package in ("keras", "tensorflow", "jax")
    return is_foreign and any(part in ("src", "python") or part[0] == "_" for part in parts)


def own_names(tree: ast.Module) -> Iterator[str]:
    """Find the names that a file defines: functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def test_the_package_uses_no_other_private_api() -> None:
    files = sorted(Path(sv.__file__).parent.rglob("*.py"))
    trees = [ast.parse(file.read_text()) for file in files]
    own = {name for tree in trees for name in own_names(tree)} | PYTHONS_OWN
    uses = {use for tree in trees for use in private_uses(tree, own)}
    assert "_trainable_variables" in uses
    listed = {*LISTED, *re.findall(r"\b_[a-z]\w*", " ".join(LISTED))}
    assert uses - listed == set()


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("from keras.src.utils import io_utils", "keras.src.utils.io_utils"),
        ("import tensorflow.python.eager.context", "tensorflow.python.eager.context"),
        ("optimizer._variables", "_variables"),
        ("self.model._epoch_iterator = None", "_epoch_iterator"),
    ],
)
def test_another_private_use_would_be_found(code: str, use: str) -> None:
    tree = ast.parse(code)
    assert [*private_uses(tree, {*own_names(tree)})] == [use]
