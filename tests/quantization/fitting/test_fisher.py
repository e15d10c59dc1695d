import torch
from torch import Tensor

from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.fitting.schedule import fisher_weights
from maskaq.tasks.classification import TASK


def test_weights_are_the_root_of_the_mean_squared_gradient(scenes_p: LoadedModel) -> None:
    model = scenes_p.model
    inputs = scenes_p.normalise(scenes("calibration", range(3)).images)
    weights = fisher_weights(
        model, inputs, 1, torch.Generator().manual_seed(0), TASK.likelihood, batch=3
    )
    assert len(weights) == len(model.blocks)  # type: ignore[arg-type]
    outputs: list[Tensor] = []
    hook = model.blocks[2].register_forward_hook(lambda *args: outputs.append(args[2]))  # type: ignore[index, union-attr]
    logits = model(inputs.requires_grad_())
    hook.remove()
    generator = torch.Generator().manual_seed(0)
    y = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)
    squares = torch.zeros(outputs[0].shape[1:])
    for image in range(3):
        log_p = logits[image].log_softmax(-1)[y[image, 0]]
        squares += torch.autograd.grad(log_p, outputs[0], retain_graph=True)[0][image].square()
    squares[1:] = squares[1:].mean(0)
    roots = squares.sqrt()
    torch.testing.assert_close(weights[2], roots / roots.mean(), rtol=1e-3, atol=1e-4)
    assert weights[-1][1:].abs().max() == 0  # nothing reads the patches of the last block
