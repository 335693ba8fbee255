"""Views by the names that collections, archives and languages give them."""

import unicodedata

import pytest

from cxr.imaging.views import Projection, read_view, view_of_code, view_of_orientation

NOT_FRONTAL = """
XTABLE LATERAL; LL; RL; LLD; RLD; lat.; LAT; Lateral view; LATERAL; vp_ll; Perfil; LAO; RAO; LPO; RPO; decubitus
left lateral decubitus; swimmers; costal; AP axial; L; oblique; Thorax seitlich; Thorax seitl.; Rx tórax de perfil
Radio du thorax, profil; Torace laterale; X-thorax dwars; Klatka piersiowa boczna; Akciğer yan grafi
Грудная клетка боковая; 胸部側面; 胸部 侧位; 胸部 斜位; 흉부 측면; 흉부 사위; صدر جانبي; Thorax schräg; tórax oblicua
AP LLD; chest lateral decubitus
"""
FRONTAL = {
    "PA": "PA",
    "AP": "AP",
    "pa": "PA",
    "postero-anterior": "PA",
    "antero-posterior": "AP",
    "AP supine": "AP Supine",
    "AP_horizontal": "AP Supine",
    "AP portable": "AP Portable",
    "AP semi erect": "AP Semi Erect",
    "PA erect": "PA Erect",
    "frontal": "Frontal",
    "胸部正面": "Frontal",
    "胸部后前位": "PA",
    "прямая": "Frontal",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text", [text.strip() for text in NOT_FRONTAL.replace("\n", ";").split(";") if text.strip()])
def test_what_is_no_frontal_view(text, form):
    for written in (text, text.upper(), text.lower()):
        assert read_view(unicodedata.normalize(form, written)).projection is Projection.OTHER, written


@pytest.mark.parametrize("text", FRONTAL)
def test_frontal_views_and_their_names(text):
    view = read_view(text)
    assert (view.projection, view.name) == (Projection.FRONTAL, FRONTAL[text])


@pytest.mark.parametrize(
    "text", ["", "chest", "thorax", "PA and lateral", "Rx tórax PA y lateral", "UNKNOWN", "nan", "X"]
)
def test_what_names_none_or_several_is_unknown(text):
    assert read_view(text).projection is Projection.UNKNOWN


def test_codes_and_directions():
    assert view_of_code("399348003").name == "AP"
    assert view_of_code("R-10214").name == "PA"
    assert view_of_code("399067008").projection is view_of_orientation("A", "F").projection is Projection.OTHER
    assert view_of_code("1").projection is view_of_orientation("", "").projection is Projection.UNKNOWN
    assert view_of_orientation("L", "F").projection is Projection.FRONTAL
