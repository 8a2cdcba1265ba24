"""The models of others that `scripts/prove-import` imports or has to see refused, and what they must say."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge.geometry import Box

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


class Import(NamedTuple):
    """A model, how it is imported, and what it must be recognised as."""

    file: str
    options: Sequence[str]
    layout: str


class Refusal(NamedTuple):
    """A model that must be refused, and the sentence that must say why."""

    file: str
    options: Sequence[str]
    sentence: str


DETECT, SEGMENT, CLASSIFY = ("--task", "detection"), ("--task", "segmentation"), ("--task", "classification")
MEDIAPIPE = (
    Import("face_detection/face_detection_short_range.tflite", (*DETECT, "--label", "face"), "ssd"),
    Import("face_detection/face_detection_full_range_sparse.tflite", (*DETECT, "--label", "face"), "ssd"),
    Import("palm_detection/palm_detection_full.tflite", DETECT, "ssd"),
    Import(
        "palm_detection/palm_detection_lite.tflite",
        (*DETECT, "--label", "palm", "--mean", "0", "--std", "255"),
        "ssd",
    ),
    Import("pose_detection/pose_detection.tflite", (*DETECT, "--label", "person"), "ssd"),
    Import("selfie_segmentation/selfie_segmentation.tflite", SEGMENT, "mask"),
    Import("selfie_segmentation/selfie_segmentation_landscape.tflite", SEGMENT, "mask"),
)
MEDIAPIPE_REFUSED = (
    Refusal(
        "palm_detection/palm_detection_lite.tflite",
        (*DETECT, "--label", "palm"),
        "give --mean 127.5 --std 127.5",
    ),
    Refusal("face_landmark/face_landmark.tflite", (*DETECT, "--label", "x"), "which is no detection"),
    Refusal(
        "face_landmark/face_landmark_with_attention.tflite",
        (*DETECT, "--label", "x"),
        "needs an operation that this TFLite runtime lacks",
    ),
    Refusal("hand_landmark/hand_landmark_full.tflite", DETECT, "which is no detection of 2 labels"),
    Refusal("hand_landmark/hand_landmark_lite.tflite", CLASSIFY, "which is no classification of 2 labels"),
    Refusal("holistic_landmark/hand_recrop.tflite", (*CLASSIFY, "--label", "x"), "give it 4 labels"),
    Refusal("iris_landmark/iris_landmark.tflite", (*DETECT, "--label", "x"), "which is no detection"),
    Refusal(
        "pose_landmark/pose_landmark_full.tflite", (*SEGMENT, "--label", "x"), "which is no segmentation"
    ),
)
PASCAL = "pascal_voc_segmentation_labels.txt"
CORAL = (
    Import("mobilenet_v1_0.25_128_quant.tflite", CLASSIFY, "probabilities"),
    Import("mobilenet_v2_1.0_224_quant.tflite", CLASSIFY, "probabilities"),
    Import("tf2_mobilenet_v2_1.0_224_ptq.tflite", CLASSIFY, "probabilities"),
    Import("deeplabv3_mnv2_pascal_quant.tflite", (*SEGMENT, "--labels", PASCAL), "class_map"),
    Import("deeplabv3_mnv2_dm05_pascal_quant.tflite", (*SEGMENT, "--labels", PASCAL), "class_map"),
)
CORAL_REFUSED = (
    Refusal(
        "automl_video_ondevice/traffic_model.tflite",
        (*DETECT, "--label", "car"),
        "takes 3 inputs; a model must take one picture",
    ),
    Refusal("mobilenet_v1_0.25_128_quant_edgetpu.tflite", CLASSIFY, "is compiled for the Edge TPU"),
    Refusal(
        "invalid_models/model_invoking_error.tflite",
        CLASSIFY,
        "needs an operation that this TFLite runtime lacks",
    ),
    Refusal("mobilenet_v2_1.0_224_quant.tflite", DETECT, "import it with --task classification"),
    Refusal("deeplabv3_mnv2_pascal_quant.tflite", (*CLASSIFY, "--labels", PASCAL), "--task segmentation"),
)
WINNERS = {
    "bird.bmp": "chickadee",
    "cat.bmp": "Egyptian cat",
    "hot_dog.jpg": "hotdog",
    "grace_hopper.bmp": "military uniform",
}
LEAST_RIGHT = {"mobilenet_v1_0.25_128_quant": 1}
"""Right answers of a model that is often wrong: the smallest MobileNet is right in 41 % of ImageNet."""

NEAR, FAR = "face_detection_short_range", "face_detection_full_range_sparse"
# What mediapipe 0.10.21 itself finds with these models (solutions.face_detection, model_selection 0 and 1, from a
# confidence of 0.5 on), in pixels.
FACES = {
    NEAR: {
        "face.jpg": (Box(256.1, 70.5, 359.3, 173.7), Box(131.9, 104.6, 229.2, 201.9)),
        "grace_hopper.bmp": (Box(171.9, 147.9, 365.9, 341.9),),
    },
    FAR: {
        "face.jpg": (
            Box(248.5, 62.7, 355.6, 169.8),
            Box(126.9, 96.1, 230.6, 199.8),
            Box(3.0, 114.2, 44.6, 155.8),
            Box(439.0, 129.4, 490.6, 181.0),
        ),
        "grace_hopper.bmp": (Box(166.2, 128.7, 366.1, 328.6),),
    },
}
