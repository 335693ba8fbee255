"""The Trainer with what radiographs and several processes need: its loss, augmentation and BatchNorm."""

from typing import Any, cast

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import broadcast
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import EvalPrediction
from transformers.trainer_utils import EvalLoopOutput

from cxr.network.activation_map import evidence_by_cell
from cxr.network.model import linear_head
from cxr.schema.labels import COVID
from cxr.statistics import metrics
from cxr.training import box_loss
from cxr.training.data.batches import Augmentation
from cxr.training.data.streaming import TrainingStream
from cxr.training.interruption import ResumableTrainer
from cxr.training.resizing import ProgressiveResizing


def covid_probability(logits: np.ndarray) -> np.ndarray:
    """Softmax probability of COVID, float64 (N,), from logits (N, 2)."""
    return torch.from_numpy(np.asarray(logits, dtype=np.float64)).softmax(dim=1)[:, COVID].numpy()


def validation_metrics(prediction: EvalPrediction) -> dict[str, float | None]:
    """What is reported after each epoch, at the neutral threshold 0.5."""
    logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
    return cast(dict[str, float | None], metrics.compute_metrics(covid_probability(logits), labels))


class CovidTrainer(ResumableTrainer):
    """Trains with a class-weighted cross-entropy whose value does not depend on processes or accumulation."""

    def __init__(
        self,
        *,
        augmentation: Augmentation | None = None,
        class_weights: torch.Tensor | None = None,
        freeze_backbone: bool = False,
        resizing: ProgressiveResizing | None = None,
        with_boxes: bool = False,
        **kwargs: Any,
    ):
        super().__init__(compute_metrics=validation_metrics, **kwargs)
        # ResNet's forward accepts `num_items_in_batch` and ignores it: its loss would grow with the number of
        # processes and of accumulation steps. Ours is a plain mean, which the Trainer then scales.
        self.model_accepts_loss_kwargs, self.loss_is_scaled_for_ga = False, False
        self.augmentation, self.class_weights, self.freeze_backbone = augmentation, class_weights, freeze_backbone
        self.resizing, self.with_boxes = resizing, with_boxes
        self._hits_and_images = torch.zeros(2, dtype=torch.float64)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """A streamed split is distributed over the processes already: accelerate must not distribute it again."""
        stream, args = self.train_dataset, self.args
        if not isinstance(stream, TrainingStream):
            return super().get_train_dataloader()
        loader = DataLoader(
            stream,
            batch_size=stream.batch_size,
            collate_fn=self.data_collator,
            num_workers=min(args.dataloader_num_workers, stream.shards),
            pin_memory=args.dataloader_pin_memory,
        )
        alone = {"num_processes": 1, "process_index": 0, "dispatch_batches": False}
        return prepare_data_loader(loader, device=args.device, put_on_device=True, **alone)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Mean over the batch of each image's cross-entropy times its class weight (whose mean over the split is 1).

        While training, the box loss is added where there is one.
        """
        if model.training:
            return self._training_loss(model, inputs)
        outputs = model(pixel_values=inputs["pixel_values"].contiguous(memory_format=torch.channels_last))
        loss = self.weighted_loss(outputs.logits.float(), inputs["labels"])
        return (loss, outputs) if return_outputs else loss

    def _training_loss(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        network, labels, with_boxes = self.accelerator.unwrap_model(model), inputs["labels"], self.with_boxes
        if self.freeze_backbone:
            network.resnet.eval()
        pixel_values = self._varied(inputs)
        outputs = model(
            pixel_values=pixel_values.contiguous(memory_format=torch.channels_last), output_hidden_states=with_boxes
        )
        hits = (outputs.logits.argmax(dim=1) == labels).sum()
        self._hits_and_images += torch.tensor([float(hits), len(labels)], dtype=torch.float64)
        loss = self.weighted_loss(outputs.logits.float(), labels)
        if not with_boxes:
            return loss
        marked = inputs["marked"]
        if self.augmentation:
            marked = self.augmentation.move(marked, inputs["keys"], self.state.global_step)
        finer, last = outputs.hidden_states[-2:]
        evidence = evidence_by_cell(last, linear_head(network).weight, COVID).unsqueeze(1)
        return loss + network.get_submodule(box_loss.NAME)(finer, evidence, marked)

    def _varied(self, inputs: dict[str, Any]) -> torch.Tensor:
        """The images of a batch as the network is trained on them: augmented, and at the size of the epoch."""
        pixel_values = inputs["pixel_values"]
        if self.augmentation:
            pixel_values = self.augmentation(pixel_values, inputs["keys"], self.state.global_step)
        return self.resizing(pixel_values, self.state.epoch or 0.0) if self.resizing else pixel_values

    def weighted_loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean of each image's cross-entropy times its class weight, from logits (N, 2) and labels (N,)."""
        losses = functional.cross_entropy(logits, labels, reduction="none")
        if self.class_weights is not None:
            losses = losses * self.class_weights.to(losses.device)[labels]
        return losses.mean()

    def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Add the training accuracy (on augmented images, over all processes) to each logged training loss.

        A training of no epoch, which only logs a fitted head, has no summary.
        """
        if "train_runtime" in logs and self.state.max_steps == 0:
            return
        if "loss" in logs:
            seen = self._hits_and_images.float().to(self.args.device)
            hits, images = self.accelerator.reduce(seen, reduction="sum").tolist()
            self._hits_and_images.zero_()
            logs["accuracy"] = hits / max(images, 1.0)
        super().log(logs, *args, **kwargs)

    def sums(self) -> dict[str, Any]:
        """Also the hits and images behind the training accuracy."""
        return super().sums() | {"hits_and_images": self._hits_and_images.tolist()}

    def restore_sums(self, sums: dict[str, Any]) -> None:
        """Also the hits and images behind the training accuracy."""
        super().restore_sums(sums)
        self._hits_and_images = torch.tensor(sums["hits_and_images"], dtype=torch.float64)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Evaluate so that the result does not depend on the number of processes.

        Each rank has gathered BatchNorm statistics of its own: those of rank 0 are used. The loss is computed from the
        gathered predictions, because the Trainer's own is an average over batches, the last of which may be padded.
        """
        if self.accelerator.num_processes > 1:
            for buffer in self.network.buffers():
                buffer.copy_(broadcast(buffer))
        output = super().evaluation_loop(*args, **kwargs)
        logits, labels = torch.from_numpy(output.predictions).float(), torch.from_numpy(output.label_ids)
        loss = self.weighted_loss(logits, labels).item()
        corrected = {key: loss if key.endswith("_loss") else value for key, value in (output.metrics or {}).items()}
        return output._replace(metrics=corrected)
