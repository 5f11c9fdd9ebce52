"""Names for readers, of what would not do with blanks for underscores."""

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "aligner": "Aligner",
    "chexpert": "CheXpert",
    "jsrt": "JSRT",
    "sites": "Training sites",
    "mimic_cxr": "MIMIC-CXR",
    "nih_chestxray14": "NIH ChestX-ray14",
    "padchest": "PadChest",
    "tcga_luad": "TCGA-LUAD",
    "vindr_cxr": "VinDr-CXR",
    "erm": "ERM",
    "erm_balanced": "ERM, balanced",
    "erm_odds": "ERM, equalised odds",
    "group_dro": "GroupDRO",
    "ubaia": "UBAIA",
    "chexclusion": "CheXclusion",
    "vit": "ViT",
    "vit_got": "ViT + GOT",
    "stride_net": "Stride-Net",
    "stride_resnet": "Stride-Net, ResNet",
    "ad": "AD",
    "faap": "FAAP",
    "fair_diagnosis": "Fair Diagnosis",
}
