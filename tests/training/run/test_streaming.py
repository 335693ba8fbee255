"""A streamed training split: distributed without overlap, and the same for the same seed and epoch."""

import json
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from torch.utils.data import DataLoader

from cxr.errors import UserError
from cxr.training.data.dataset import load, load_external
from cxr.training.data.streaming import TrainingStream, stream


def order(folder: Path, epoch: int = 0, rank: int = 0, processes: int = 1, batch: int = 4, workers: int = 0) -> list:
    rows = stream(str(folder), None)[0]["train"]
    count = load(str(folder), None, 32).report["splits"]["train"]["images"]
    dealt = TrainingStream(rows, count, batch, seed=3, buffer=10, rank=rank, processes=processes)
    dealt.set_epoch(epoch)
    batches = list(DataLoader(dealt, batch_size=batch, collate_fn=list, num_workers=workers))
    assert len(batches) == len(dealt) // batch
    assert {len(part) for part in batches} == {batch}
    return [row["sha256"] for part in batches for row in part]


def test_an_epoch_has_an_order_of_its_own_and_every_image_once(sharded):
    first = order(sharded)
    assert first == order(sharded)
    assert len(set(first)) == len(first) > 40
    assert first != order(sharded, epoch=1)
    assert len(set(first) & set(order(sharded, epoch=1))) > 0.8 * len(first)


@pytest.mark.parametrize(("processes", "workers"), [(2, 0), (3, 0), (2, 2)])
def test_processes_get_equally_many_and_none_twice(sharded, processes, workers):
    parts = [order(sharded, rank=rank, processes=processes, workers=workers) for rank in range(processes)]
    assert len({len(part) for part in parts}) == 1
    assert len(set().union(*parts)) == sum(len(set(part)) for part in parts)


def test_from_the_hub_no_training_file_is_fetched_and_an_overlap_is_still_found(sharded, train_here, command, tmp_path):
    repo = "demo/streamed"
    HfApi().create_repo(repo, repo_type="dataset", exist_ok=True)
    HfApi().upload_folder(repo_id=repo, repo_type="dataset", folder_path=sharded)
    model = train_here(*command, "--dataset", repo, "--streaming", "--dataloader_num_workers", "2")
    facts = json.loads((model / "metrics.json").read_text())
    assert facts["dataset"]["revision"] == HfApi().dataset_info(repo).sha
    assert facts["training"]["steps"] == 2
    kept = [path.name for path in Path(os.environ["HF_HOME"], "hub", "datasets--demo--streamed").rglob("*.parquet")]
    assert not [name for name in kept if name.startswith("train")]
    with pytest.raises(UserError, match="share a patient"):
        load_external([f"same={sharded}"], load(repo, None, 32, streaming=True), 32)


def test_the_streamed_facts_are_those_of_every_training_image(sharded):
    facts = stream(str(sharded), None)[1]
    whole = load(str(sharded), None, 32).splits["train"]
    assert [row["sha256"] for row in facts] == whole["sha256"][:]
    assert "image" not in facts.features


def test_a_damaged_page_of_a_stream_is_found_by_its_checksum(dataset, tmp_path):
    folder = shutil.copytree(dataset, tmp_path / "damaged")
    (shard,) = (folder / "data").glob("train-*.parquet")
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 1
    shard.write_bytes(content)
    with pytest.raises(OSError, match="CRC checksum"):
        list(stream(str(folder), None)[0]["train"])
