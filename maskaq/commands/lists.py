"""`models` and `methods`: what there is to choose from."""

from __future__ import annotations

import argparse

from maskaq.config.presets import METHODS


def add_models(parser: argparse.ArgumentParser) -> None:
    """No options."""
    parser.set_defaults(command=_models)


def add_methods(parser: argparse.ArgumentParser) -> None:
    """No options."""
    parser.set_defaults(command=_methods)


def _models(args: argparse.Namespace) -> None:
    from maskaq.models.architectures import model_names

    for name, about in model_names().items():
        print(f"{name:40} {about}")


def _methods(args: argparse.Namespace) -> None:
    from maskaq.quantization.backends import BACKENDS
    from maskaq.synthesis.sources import SOURCES

    for name, method in METHODS.items():
        print(f"method   {name:14} {method.description}\n{'':23} cost: {method.cost}")
    for name, source in SOURCES.items():
        print(f"source   {name:14} {' '.join((source.__doc__ or '').split('.')[0].split())}")
    for name, backend in BACKENDS.items():
        print(f"back-end {name:14} {backend.description}")
