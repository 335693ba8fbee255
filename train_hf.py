"""Fine-tune ResNet-50 on a prepared dataset, evaluate it, and publish it; the same file for python and any launcher."""

from cxr.training.run import main

if __name__ == "__main__":
    raise SystemExit(main())
