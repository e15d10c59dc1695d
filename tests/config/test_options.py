"""Settings: what is out of range is refused at once; the rest goes to JSON and back unchanged."""

import json
import math
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskaq.config import Coefficients, FitOptions, QuantOptions, RunSpec, SynthesisOptions
from maskaq.config.parsing import from_dict, parse_bits, parse_ratio, to_json
from maskaq.errors import OptionError

share_above_0 = st.floats(0, 1, exclude_min=True)
not_negative = st.floats(0, 1e6)
specs = st.builds(
    RunSpec,
    model=st.text(),
    weights=st.text(),
    data=st.text(),
    method=st.text(),
    eval_images=st.integers(0, 10**6),
    seed=st.integers(0, 2**31 - 1),
    precision=st.sampled_from(["auto", "float32", "bfloat16"]),
    device=st.sampled_from(["cpu", "cuda", "cuda:1", "mps"]),
    synthesis=st.builds(
        SynthesisOptions,
        source=st.text(),
        images=st.integers(1, 100_000),
        steps=st.integers(0, 100_000),
        lr=st.floats(1e-9, 10),
        parametrisation=st.sampled_from(["natural", "pixels"]),
        augmentation=st.sampled_from(["crops", "easy-to-hard", "released", "none"]),
        reading=st.sampled_from(["paper", "released"]),
        coefficients=st.builds(Coefficients, *[not_negative] * 9),
        mask_ratio=st.tuples(share_above_0, share_above_0),
        drop=st.floats(0, 1, exclude_max=True),
        align_from=st.floats(0, 1),
    ),
    quantization=st.builds(
        QuantOptions, st.integers(2, 8), st.integers(2, 8), st.sampled_from(["8", "target"])
    ),
    fit=st.builds(
        FitOptions,
        backend=st.text(),
        epochs=st.integers(0, 10_000),
        lr=st.floats(1e-9, 1),
        temperature=st.floats(1e-3, 1e3),
        head_weight=not_negative,
        mask_ratio=share_above_0,
        mask_weight=st.floats(1, 1e3),
    ),
)


@given(specs)
def test_json_there_and_back(spec: RunSpec) -> None:
    assert from_dict(json.loads(to_json(spec))) == spec
    assert from_dict(asdict(spec)) == spec


def test_every_setting_is_in_the_json() -> None:
    def names(kind: object) -> dict[str, object]:
        made = kind() if isinstance(kind, type) else kind
        return {
            item.name: names(value) if is_dataclass(value := getattr(made, item.name)) else 0
            for item in fields(made)  # type: ignore[arg-type]
        }

    def keys(values: dict[str, object]) -> dict[str, object]:
        return {k: keys(v) if isinstance(v, dict) else 0 for k, v in values.items()}

    assert keys(json.loads(to_json(RunSpec()))) == names(RunSpec)


def test_settings_left_out_keep_their_defaults() -> None:
    spec = from_dict({"seed": 3, "synthesis": {"images": 8}})
    assert spec == RunSpec(seed=3, synthesis=SynthesisOptions(images=8))
    assert from_dict({}) == RunSpec()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"sed": 1}, "unknown setting in spec 'sed'; did you mean 'seed'"),
        ({"synthesis": {"step": 1}}, r"unknown setting in spec\.synthesis 'step'; .*'steps'"),
        ({"seed": "1"}, r"spec\.seed is '1'; expected int"),
        ({"seed": True}, r"spec\.seed is True; expected int"),
        ({"seed": 1.0}, r"spec\.seed is 1\.0; expected int"),
        ({"seed": None}, r"spec\.seed is None; expected int"),
        ({"fit": {"lr": "fast"}}, r"spec\.fit\.lr is 'fast'; expected float"),
        ({"fit": {"lr": True}}, r"spec\.fit\.lr is True; expected float"),
        ({"fit": 3}, r"spec\.fit is 3; expected a table"),
        ({"fit": []}, r"spec\.fit is \[\]; expected a table"),
        ({"synthesis": {"mask_ratio": 0.5}}, r"mask_ratio is 0\.5; expected 2 numbers"),
        ({"synthesis": {"mask_ratio": [0.5]}}, r"mask_ratio is \[0\.5\]; expected 2 numbers"),
        ({"synthesis": {"mask_ratio": ["a", 1]}}, r"mask_ratio is 'a'; expected float"),
        ({"seed": -1}, "seed is -1; allowed: 0 to 2147483647"),
        ([], r"spec is \[\]; expected a table"),
        ({3: 4}, "unknown setting in spec 3"),
    ],
)
def test_wrong_tables_are_refused(values: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        from_dict(values)  # type: ignore[arg-type]


def test_whole_numbers_pass_for_numbers() -> None:
    options = from_dict({"synthesis": {"lr": 1, "mask_ratio": [1, 1]}}).synthesis
    assert (options.lr, options.mask_ratio) == (1.0, (1.0, 1.0))
    assert all(type(value) is float for value in (options.lr, *options.mask_ratio))


NAN, INFINITE = math.nan, math.inf
REFUSED = [
    (Coefficients, "one_hot", [-1.0, NAN, INFINITE]),
    (Coefficients, "align", [-1e-9, NAN, INFINITE]),
    (Coefficients, "attention_prior", [-1.0, NAN, INFINITE]),
    (SynthesisOptions, "images", [0, 100_001]),
    (SynthesisOptions, "steps", [-1, 100_001]),
    (SynthesisOptions, "batch", [0, 1025]),
    (SynthesisOptions, "lr", [0.0, 10.1, NAN, INFINITE]),
    (SynthesisOptions, "parametrisation", ["pixel", ""]),
    (SynthesisOptions, "augmentation", ["crop"]),
    (SynthesisOptions, "reading", ["papers"]),
    (SynthesisOptions, "mask_ratio", [(0.0, 0.1), (0.5, 1.1), (NAN, 0.1)]),
    (SynthesisOptions, "drop", [-0.1, 1.0, NAN]),
    (SynthesisOptions, "align_from", [-0.1, 1.1, NAN]),
    (QuantOptions, "weight_bits", [1, 9]),
    (QuantOptions, "activation_bits", [1, 9]),
    (QuantOptions, "first_last", ["4", "targets"]),
    (FitOptions, "epochs", [-1, 10_001]),
    (FitOptions, "batch", [0, 1025]),
    (FitOptions, "lr", [0.0, 1.1, NAN]),
    (FitOptions, "temperature", [0.0, -1.0, NAN, INFINITE]),
    (FitOptions, "head_weight", [-1.0, NAN, INFINITE]),
    (FitOptions, "mask_ratio", [0.0, 1.1, NAN]),
    (FitOptions, "mask_weight", [0.9, NAN, INFINITE]),
    (FitOptions, "refresh", [-1, 10_001]),
    (FitOptions, "refresh_steps", [-1, 100_001]),
    (RunSpec, "seed", [-1, 2**31]),
    (RunSpec, "eval_images", [-1]),
    (RunSpec, "precision", ["fp16"]),
    (RunSpec, "device", ["gpu", "cuda:", "cuda:x", "cpu ", "", "cpu\n"]),
]


@pytest.mark.parametrize(
    "kind, name, value",
    [(kind, name, value) for kind, name, values in REFUSED for value in values],
)
def test_values_out_of_range_are_refused(kind: type, name: str, value: object) -> None:
    kind()  # the default of every setting is allowed
    with pytest.raises(OptionError, match=r"(?i)allowed: ") as caught:
        kind(**{name: value})
    bad = [part for part in value if not 0 < part <= 1] if isinstance(value, tuple) else [value]
    assert repr(bad[0]) in str(caught.value)


def test_settings_are_frozen() -> None:
    spec = RunSpec()
    with pytest.raises(FrozenInstanceError):
        spec.seed = 1  # type: ignore[misc]
    with pytest.raises(OptionError):
        replace(spec, seed=-1)


@pytest.mark.parametrize("text, bits", [("W4A4", (4, 4)), (" w2a8 ", (2, 8)), ("W8A2", (8, 2))])
def test_bits_are_parsed(text: str, bits: tuple[int, int]) -> None:
    assert parse_bits(text) == bits
    assert parse_bits(QuantOptions(*bits).name) == bits


@pytest.mark.parametrize("text", ["W1A4", "W4A9", "W4", "4/4", "", "W16A4", "W4A4x", "W٤A4"])
def test_other_bits_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="allowed: W2A2 to W8A8, such as W4A4"):
        parse_bits(text)


@given(st.text())
def test_any_text_for_bits_or_ratio_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_bits, parse_ratio):
        try:
            parts = parse(text)
        except OptionError:
            continue
        assert len(parts) == 2


@pytest.mark.parametrize(
    "text, ratio", [("0.5:0.1", (0.5, 0.1)), ("1", (1.0, 1.0)), ("1e-1:1", (0.1, 1.0))]
)
def test_ratios_are_parsed(text: str, ratio: tuple[float, float]) -> None:
    assert parse_ratio(text) == ratio
    assert SynthesisOptions(mask_ratio=ratio).mask_ratio == ratio


@pytest.mark.parametrize("text", ["", ":", "0.5:", "0:1", "2", "nan", "0.1:0.2:0.3", "a:b", "-0.5"])
def test_other_ratios_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"allowed: START:END or one number, in \(0, 1\]"):
        parse_ratio(text)
