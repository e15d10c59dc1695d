"""Building blocks of the back-ends: rounding, distillation, finetuning."""
