import pytest
import torch

from maskaq.config import FitOptions, QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.quantizers.base import quantizers
from tests.support import short


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_every_back_end_calibrates_and_freezes_q(scenes_p: LoadedModel, backend: str) -> None:
    images = scenes("calibration", range(6)).images
    q = convert(scenes_p.model, QuantOptions(4, 4), BACKENDS[backend].scheme)
    options = FitOptions(
        backend=backend, epochs=3, batch=4, refresh=1, reconstruction=short.RECONSTRUCTION
    )
    task = FitTask(scenes_p.model, q, images, scenes_p.normalise, scenes_p.prefix, options, 0)
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    events = list(BACKENDS[backend].fit(task))
    assert [event.step for event in events] == list(range(1, events[-1].total + 1))
    assert all(quantizer.ready for _, quantizer in quantizers(q))
    assert not any(parameter.requires_grad for parameter in q.parameters())
    assert q(scenes_p.normalise(images)).isfinite().all()
    after = scenes_p.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
