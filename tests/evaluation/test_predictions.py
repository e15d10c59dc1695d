import copy

import torch

from maskaq.data.scenes import scenes
from maskaq.evaluation.accuracy import predict
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.regions.mask import patch_attention
from maskaq.tasks.classification import TASK


def test_predictions_are_those_of_both_models(scenes_p: LoadedModel) -> None:
    images = scenes_p.normalise(scenes("calibration", range(70)).images)  # more than one batch
    q = copy.deepcopy(scenes_p.model)
    with torch.no_grad():
        q.head.bias += torch.linspace(0, 3, len(q.head.bias))
        found = predict(scenes_p.model, q, images, scenes_p.prefix, TASK)
        for row, model in enumerate((scenes_p.model, q)):
            probabilities = model(images).softmax(-1)
            assert found.classes[row].equal(probabilities.argmax(-1))
            torch.testing.assert_close(found.certainty[row], probabilities.amax(-1))
        assert not found.classes[0].equal(found.classes[1])
        with record(scenes_p.model) as maps:
            scenes_p.model(images)
        torch.testing.assert_close(found.alpha, patch_attention(maps, scenes_p.prefix))
