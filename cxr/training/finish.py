"""What follows training: save, evaluate the reloaded model, write its facts, figures and card, publish."""

from cxr.training import card, evaluation, figures, publish
from cxr.training.arguments import Arguments
from cxr.training.data import XrayDataset
from cxr.training.trainer import CovidTrainer


def finish(
    arguments: Arguments,
    dataset: XrayDataset,
    external: dict[str, XrayDataset],
    trainer: CovidTrainer,
    backbone_revision: str | None,
    seconds: float,
) -> None:
    """Leave a finished model folder behind, published where the arguments say so; `seconds` is training's wall time.

    All ranks must call this: they share the evaluation, and the first one writes.
    """
    run = arguments.run
    trainer.save_model(str(run.model_dir))
    (run.model_dir / "training_args.bin").unlink(missing_ok=True) if run.should_save else None
    trainer.accelerator.wait_for_everyone()
    summary, test = evaluation.final_evaluation(run, dataset, external)
    if run.process_index == 0:
        evaluation.write_threshold(run.model_dir, summary["operating_threshold"])
        figures.draw_all(run.model_dir / "figures", trainer.state.log_history, test, summary["operating_threshold"])
        card.write_facts(arguments, dataset, trainer.state, backbone_revision, seconds, summary)
        card.write_card(run.model_dir, run.hub_model_id)
        print(card.headline(run.model_dir))
        if run.publish:
            print(publish.publish(run.model_dir, publish.Destination.of(run)))
    trainer.accelerator.wait_for_everyone()
