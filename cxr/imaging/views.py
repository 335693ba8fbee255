"""Which projection a chest radiograph shows, from what tables, file names and DICOM headers call it.

Values of CheXpert, MIMIC-CXR, PadChest, BIMCV, VinDr, NIH ChestX-ray and covid-chestxray-dataset, of DICOM's View
Position (0018,5101) and View Code Sequence (PS3.16 CID 4010), and the words for lateral and oblique in the
languages of most PACS installations.
"""

import re
import unicodedata
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Projection(Enum):
    """What a description of a view was understood as."""

    FRONTAL = "frontal"
    OTHER = "other"
    UNKNOWN = "unknown"


class View(NamedTuple):
    """A projection, and for a frontal one its name as Contract 1 spells it: PA, AP, AP Supine …"""

    projection: Projection
    name: str = ""


UNKNOWN = View(Projection.UNKNOWN)
OTHER = View(Projection.OTHER)

_NAMES = {
    "PA": "pa; postero anterior; posteroanterior; postero ant; p a; d p; dorso ventral; dorsoventral; 后前位; 後前位; "
    "后前",
    "AP": "ap; antero posterior; anteroposterior; antero ant; a p; ventro dorsal; ventrodorsal; 前后位; 前後位; 前后",
    "Frontal": "frontal; front; de face; face; frente; de frente; 正面; 正位; 정면; прямая; прямой; фасная; antero; "
    "vorderansicht; frontale; frontaal; onden; ön; przednie; أمامي; voor",
}
_POSTURES = {
    "Supine": "supine; horizontal; lying; recumbent; bed; bedside lying; decubito supino; acostado; couche; liegend; "
    "im liegen; in liegen; ruckenlage; supina; supino; clinostatismo; leżące; yatarak; лежа; 仰卧位; 臥位; 仰臥位; "
    "누운; decubitus dorsal; decubito dorsal; dorsal decubitus",
    "Semi Erect": "semi erect; semierect; semi upright; semi sitting; semisitting; semi recumbent; halbsitzend",
    "Erect": "erect; standing; stehend; im stehen; debout; bipedestacion; ortostatica; ortostatismo; ayakta; стоя; "
    "立位; 직립; stand",
    "Upright": "upright; sitting; seated; sitzend; assis; sentado",
    "Portable": "portable; mobile; bedside; portatil; bettaufnahme; 床旁; 이동식; mobil",
}
_NOT_FRONTAL = """
lateral; lat; laterals; latero lateral; laterolateral; left lateral; right lateral; ll; rl; lld; rld; llat; rlat
latl; latr; l lateral; r lateral; lt lateral; rt lateral; xtable lateral; cross table lateral; xtable
cross table; lat dec; perfil; perfiles; perfil izquierdo; perfil derecho; profil; de profil; profilo
latero laterale; laterale; lateraal; seitlich; seitl; seitliche; seitenaufnahme; seitansicht; seite
lateralaufnahme; zijdelings; dwars; dwarse; boczne; boczny; boczna; boczná; bočná; boční; bok; bocznym; yan; yandan
yan grafi; lateralis
sida; sidebilde; боковая; боковой; боковое; бок; бока; в боковой; 側面; 側面像; 左側面; 右側面; 侧位; 側位
左侧位; 右侧位; 侧面; 측면; 좌측면; 우측면; 외측; جانبي; جانبية; lateralna; oblique; obl; obliqua; oblicua
oblicuo; obliquo; oblik; schrag; schraeg; schrage; schuin; schuine; skosne; skosny; skosna; šikmá; sned; косая; косой
косое
斜位; 斜面; 사위; 사선; مائل; lao; rao; lpo; rpo; left anterior oblique; right anterior oblique
left posterior oblique; right posterior oblique; anterior oblique; posterior oblique; oad; oai; opd; opi; eğik
rlo; llo; decubitus; decub; lateral decubitus; left lateral decubitus; right lateral decubitus; decubito lateral
側臥位; 侧卧位; decubitus lateral; seitenlage; zijligging; 측와위; на боку; латеропозиция; swimmers; swimmer
swimmer s; swim
"""
_OTHER_REGIONS = """
costal; ribs; rib; rib detail; parrilla costal; rippen; lordotic; apical lordotic; apicolordotic; lordotica
axial; ap axial; pa axial; coronal; sagittal; transverse; tangential; apical; apices; axiale; axiaal
decubitus view; sternum; spine; abdomen; shoulder; clavicle; scapula; scout; localizer; topogram
"""
_CODES = {
    # SNOMED CT and SNOMED RT of CID 4010: what is listed there for chest radiographs
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-10214": "PA",
    "399198007": "",
    "R-10232": "",
    "399173006": "",
    "R-10236": "",
    "399067008": "",
    "R-10228": "",
    "399352003": "",
    "R-10230": "",
    "399135006": "",
    "R-10218": "",
    "399089009": "",
    "R-10210": "",
    "399108009": "",
    "R-10216": "",
    "399099002": "",
    "R-10208": "",
    "399260004": "",
    "R-10224": "",
    "399012008": "",
    "R-10202": "",
}
_SINGLE_LETTERS = {"l": OTHER, "r": OTHER}
_LONGEST, _SHORT = 5, 3


def read_view(text: str) -> View:
    """The view that a value names, in any of the vocabularies above; `UNKNOWN` for what names none, or several."""
    words = _words(text)
    joined = "".join(words)
    if len(words) == 1 and joined in _SINGLE_LETTERS:
        return _SINGLE_LETTERS[joined]
    meanings = _meanings(words)
    if _REGION in meanings and len(words) <= _SHORT:  # in a longer description they tell of something else
        return OTHER
    if _OTHER in meanings:
        names_frontal = bool(meanings & (_NAMES.keys()))
        return UNKNOWN if names_frontal and not _is_one_view(text) else OTHER
    names = [name for name in _NAMES if name in meanings]
    if len(names) > 1 and names[-1] == "Frontal":
        names.pop()
    if len(names) != 1:
        return View(Projection.FRONTAL, "AP Supine") if not names and meanings == {"Supine"} else UNKNOWN
    postures = [posture for posture in _POSTURES if posture in meanings]
    return View(Projection.FRONTAL, " ".join([names[0], *postures[:1]]))


def view_of_code(value: str) -> View:
    """The view that a code of CID 4010 stands for."""
    if value not in _CODES:
        return UNKNOWN
    return View(Projection.FRONTAL, _CODES[value]) if _CODES[value] else OTHER


def view_of_orientation(row: str, column: str) -> View:
    """The projection that Patient Orientation (0020,0020) implies: rows that run front to back show a lateral view."""
    if row[:1].upper() in ("A", "P") and column[:1].upper() in ("F", "H"):
        return OTHER
    if row[:1].upper() in ("L", "R") and column[:1].upper() in ("F", "H"):
        return View(Projection.FRONTAL)
    return UNKNOWN


def posture_in(text: str) -> str:
    """The posture that a text names, as it stands in the names of views; empty where it names none."""
    meanings = _meanings(_words(text))
    return next((posture for posture in _POSTURES if posture in meanings), "")


_OTHER, _REGION = "not frontal", "another region or projection"


def _is_one_view(text: str) -> bool:
    """Whether a text that names a frontal and another view means the other (`AP LLD`), not both (`PA and lateral`)."""
    if re.search(r"\b(and|und|et|y|e|en|ve|och|i|и)\b|[&+,/]|和|及|と", text.casefold()):
        return False
    return len(_words(text)) <= _LONGEST


def _words(text: str) -> list[str]:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.findall(r"[^\W\d_]+", _plain(text))


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in text if not unicodedata.combining(char)).replace("ß", "ss").replace("ł", "l")


def _meanings(words: list[str]) -> set[str]:
    """What the phrases among the words mean, the longest first."""
    found, at = set(), 0
    while at < len(words):
        length = next((n for n in range(_LONGEST, 0, -1) if tuple(words[at : at + n]) in _lexicon()), 0)
        if length:
            found.add(_lexicon()[tuple(words[at : at + length])])
        elif not words[at].isascii():
            found |= {meaning for phrase, meaning in _ideographs() if phrase in words[at]}
        at += length or 1
    return found


@lru_cache
def _lexicon() -> dict[tuple[str, ...], str]:
    lists = {**_NAMES, **_POSTURES, _OTHER: _NOT_FRONTAL, _REGION: _OTHER_REGIONS}
    return {
        tuple(_words(entry)): meaning
        for meaning, text in lists.items()
        for entry in re.split("[;\n]", text)
        if entry.strip()
    }


@lru_cache
def _ideographs() -> list[tuple[str, str]]:
    """Words of scripts without spaces, which stand within a run of letters."""
    return [
        (words[0], meaning)
        for words, meaning in _lexicon().items()
        if len(words) == 1 and re.search(r"[぀-ヿ一-鿿가-힯ᄀ-ᇿ]", words[0])
    ]
