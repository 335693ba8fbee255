"""Fine-tune ResNet-50 on a prepared dataset, evaluate it, and publish it; the same file for python and any launcher."""

from cxr.cli import let_threads_sleep
from cxr.parallel import end_with_launcher

let_threads_sleep()
end_with_launcher()

from cxr.training.run import main  # noqa: E402 - it imports torch

if __name__ == "__main__":
    raise SystemExit(main())
