"""Collections in a generated miniature of their real layout: labels, patients, views, what is left out."""

import gzip
from pathlib import Path

import pytest
from dicom_files import dicom
from raw import noise, prepare, refused, rows, save, table

from cxr.schema.labels import COVID, NON_COVID


def with_covid(tmp_path: Path) -> str:
    """A second source, for collections that hold no COVID-19."""
    for number in range(40):
        save(tmp_path / "ours" / "covid" / f"{number}.bmp", 5000 + number)
    return f"folder={tmp_path / 'ours'}"


def found(tmp_path: Path, *sources: str) -> tuple[dict, dict[str, dict]]:
    """The report, and the rows of the first source by file."""
    report = prepare(tmp_path / "out", *sources)
    source = sources[0].partition("=")[0]
    return report, {row["file"]: row for row in rows(tmp_path / "out") if row["source"] == source}


def test_siim_appearances_are_read_and_those_between_left_out(tmp_path):
    appearances = ["Negative for Pneumonia", "Typical Appearance", "Indeterminate Appearance", "Atypical Appearance"]
    studies, images = [], []
    for number in range(120):
        which = number // 2 % 2 if number < 110 else 2 + number % 2
        study = f"s{number // 2:03d}"
        studies.append({"id": f"{study}_study"} | {name: int(at == which) for at, name in enumerate(appearances)})
        images.append({"id": f"i{number:03d}_image", "boxes": "", "label": "", "StudyInstanceUID": study})
        save(tmp_path / "siim" / "train" / study / "series" / f"i{number:03d}.dcm", number)
    table(tmp_path / "siim" / "train_study_level.csv", studies)
    table(tmp_path / "siim" / "train_image_level.csv", images)
    report, by_file = found(tmp_path, f"siim={tmp_path / 'siim'}")
    assert report["refused"]["reasons"] == {"has an indeterminate or atypical appearance": 10}
    assert by_file["train/s001/series/i002.dcm"]["label"] == COVID
    assert by_file["train/s000/series/i000.dcm"]["label"] == NON_COVID
    assert by_file["train/s000/series/i000.dcm"]["patient_id"] == "s000"
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "radiologists' appearance, not PCR" in card


def test_siim_in_one_flat_folder(tmp_path):
    studies = [
        {
            "id": f"s{n}_study",
            "Negative for Pneumonia": n % 2,
            "Typical Appearance": 1 - n % 2,
            "Atypical Appearance": 0,
        }
        for n in range(60)
    ]
    images = [{"id": f"i{n}_image", "StudyInstanceUID": f"s{n}"} for n in range(60)]
    for number in range(60):
        save(tmp_path / "siim" / "train" / f"i{number}.png", number)
    table(tmp_path / "siim" / "train_study_level.csv", studies)
    table(tmp_path / "siim" / "train_image_level.csv", images)
    report, by_file = found(tmp_path, f"siim={tmp_path / 'siim'}")
    assert report["images"] == 60
    assert by_file["train/i0.png"]["label"] == COVID


def test_covidqu_with_its_masks_and_splits(tmp_path):
    root = tmp_path / "qu" / "Lung Segmentation Data" / "Lung Segmentation Data"
    seed = 0
    for split, count in (("Train", 20), ("Val", 6), ("Test", 6)):
        for name in ("COVID-19", "Non-COVID", "Normal"):
            for number in range(count):
                seed += 1
                save(root / split / name / "images" / f"{name}_{number}.png", seed)
                save(root / split / name / "lung masks" / f"{name}_{number}.png", 9000 + seed)
    report, _ = found(tmp_path, f"covidqu={tmp_path / 'qu'}")
    assert report["splits"]["validation"]["images"] == 18
    assert report["splits"]["train"]["labels"] == {"NON-COVID": 40, "COVID": 20}
    audited = prepare(tmp_path / "audited", f"covidqu={tmp_path / 'qu'}", audit=True)
    assert audited["audit"]["lungs"] == "masks"


def test_covidgr_with_its_severity(tmp_path):
    for number in range(60):
        save(tmp_path / "gr" / ("N", "P")[number % 2] / f"{number}.jpg", number)
    table(tmp_path / "gr" / "severity.csv", [{"image": f"{n}.jpg", "severity": "Mild"} for n in range(1, 60, 2)])
    report, by_file = found(tmp_path, f"covidgr={tmp_path / 'gr'}")
    assert (by_file["P/1.jpg"]["label"], by_file["N/2.jpg"]["label"]) == (COVID, NON_COVID)
    assert by_file["P/1.jpg"]["finding"] == "P, Mild"
    assert by_file["P/1.jpg"]["view"] == "PA"
    assert report["refused"]["total"] == 0


def test_ricord_is_covid_by_pcr(tmp_path):
    for number in range(40):
        place = tmp_path / "ricord" / f"MIDRC-RICORD-1C-419639-{number:06d}" / "study" / "series" / "1-1.dcm"
        place.parent.mkdir(parents=True)
        place.write_bytes(dicom(noise(number)))
    for number in range(40):
        save(tmp_path / "ours" / "normal" / f"{number}.bmp", 5000 + number)
    report = prepare(tmp_path / "out", f"ricord={tmp_path / 'ricord'}", f"folder={tmp_path / 'ours'}")
    assert sum(report["counts"]["ricord"]["COVID"].values()) == 40
    assert report["label_values"]["ricord"] == {"COVID-19": {"COVID": 40}}


def test_bimcv_by_the_tests_of_each_patient(tmp_path):
    people, tests = [], []
    for number in range(120):
        patient = f"sub-S{number:05d}"
        name = f"{patient}_ses-E{number:05d}_run-1_bp-chest_vp-{('pa', 'ap', 'll')[number % 3]}_cr.png"
        save(tmp_path / "bimcv" / patient / f"ses-E{number:05d}" / "mod-rx" / name, number)
        people.append({"participant": patient, "gender": "MF"[number % 2], "age": f"['{40 + number % 9}']"})
        result = ("POSITIVO", "NEGATIVO")[number // 3 % 2] if number < 117 else "INDETERMINADO"
        tests.append({"participant": patient, "date": "2020", "test": "PCR", "result": result})
    table(tmp_path / "bimcv" / "participants.tsv", people, "\t")
    table(tmp_path / "bimcv" / "sil_reposi_covid_19_test.tsv", tests, "\t")
    report, by_file = found(tmp_path, f"bimcv={tmp_path / 'bimcv'}")
    assert report["refused"]["reasons"] == {"is no frontal view": 40, "has no test result that decides": 2}
    first = next(row for row in by_file.values() if row["patient_id"] == "sub-S00000")
    assert (first["label"], first["view"], first["sex"], first["age"]) == (COVID, "PA", "M", 40.0)
    assert report["columns"] == {}


def test_chexpert_without_laterals(tmp_path):
    lines = []
    for number in range(40):
        side = ("frontal", "lateral")[number % 4 == 3]
        path = f"CheXpert-v1.0-small/train/patient{number // 2:05d}/study1/view{number}_{side}.jpg"
        save(tmp_path / path, number)
        line = {"Path": path, "Sex": "Female", "Age": 60 + number % 5, "Frontal/Lateral": side.title()}
        lines.append(line | {"AP/PA": "AP" if side == "frontal" else "", "No Finding": "", "Edema": "1.0"})
    table(tmp_path / "CheXpert-v1.0-small" / "train.csv", lines)
    report, by_file = found(tmp_path, f"chexpert={tmp_path / 'CheXpert-v1.0-small'}", with_covid(tmp_path))
    assert report["refused"]["reasons"] == {"is no frontal view": 10}
    row = by_file["train/patient00000/study1/view0_frontal.jpg"]
    assert (row["label"], row["finding"], row["patient_id"]) == (NON_COVID, "edema", "patient00000")
    assert (row["view"], row["sex"], row["age"]) == ("AP", "F", 60.0)


def test_mimic_with_a_packed_table(tmp_path):
    lines, views = [], ["PA", "AP", "LATERAL", "LL", "XTABLE LATERAL", "AP LLD", ""]
    for number in range(42):
        subject, study = f"100{number:05d}", f"500{number:05d}"
        file = tmp_path / "mimic" / "files" / "p10" / f"p{subject}" / f"s{study}" / f"image{number}.jpg"
        save(file, number)
        ids = {"dicom_id": f"image{number}", "subject_id": subject, "study_id": study}
        lines.append(ids | {"ViewPosition": views[number % 7]})
    plain = table(tmp_path / "mimic" / "table.csv", lines)
    packed = plain.with_name("mimic-cxr-2.0.0-metadata.csv.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    report, by_file = found(tmp_path, f"mimic={tmp_path / 'mimic'}", with_covid(tmp_path))
    assert report["refused"]["reasons"] == {"is no frontal view": 24}
    assert len(by_file) == 18
    assert {row["label"] for row in by_file.values()} == {NON_COVID}


def test_padchest_without_children_and_excluded_views(tmp_path):
    lines, views = [], ["PA", "L", "AP_horizontal", "COSTAL", "EXCLUDE"]
    for number in range(50):
        save(tmp_path / "pad" / "0" / f"{number}.png", number)
        line = {"ImageID": f"{number}.png", "ImageDir": "0", "StudyDate_DICOM": "20150303", "PatientID": f"P{number}"}
        line |= {"PatientBirth": "1950.0", "PatientSex_DICOM": "M", "Projection": views[number % 5]}
        lines.append(line | {"Pediatric": "PED" if number < 5 else "No", "Labels": "['normal']"})
    table(tmp_path / "pad" / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", lines)
    report, by_file = found(tmp_path, f"padchest={tmp_path / 'pad'}", with_covid(tmp_path))
    assert report["refused"]["reasons"] == {
        "is paediatric": 5,
        "is no frontal view": 18,
        "is excluded by the collection itself": 9,
    }
    assert by_file["0/7.png"]["view"] == "AP Supine"
    assert by_file["0/5.png"]["age"] == 65.0


def test_vindr_rows_of_three_radiologists_are_one_image(tmp_path):
    lines = []
    for number in range(40):
        file = tmp_path / "vindr" / "train" / f"v{number}.dicom"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(dicom(noise(number), PatientID=f"V{number}"))
        for reader in range(3):
            marks = {"Cardiomegaly": int(reader == 1), "No finding": int(reader != 1)}
            lines.append({"image_id": f"v{number}", "rad_id": f"R{reader}"} | marks)
    table(tmp_path / "vindr" / "annotations" / "image_labels_train.csv", lines)
    report = prepare(tmp_path / "out", f"vindr={tmp_path / 'vindr'}", with_covid(tmp_path))
    assert sum(report["counts"]["vindr"]["NON-COVID"].values()) == 40
    assert report["label_values"]["vindr"] == {"no finding|cardiomegaly": {"NON-COVID": 40}}


@pytest.mark.parametrize("name", ["siim", "covidqu", "covidgr", "ricord", "bimcv", "chexpert", "mimic", "padchest"])
def test_another_folder_is_told_the_layout(tmp_path, capsys, name):
    (tmp_path / "raw").mkdir()
    assert "does not hold this collection (the layout is" in refused(
        capsys, tmp_path / "out", f"{name}={tmp_path / 'raw'}"
    )
