"""Building blocks of the back-ends: range search, weight rounding, distillation, finetuning."""
