"""A folder in the form of covid-chestxray-dataset: its real column names, phantoms as images."""

import csv
import shutil

COLUMNS = (
    "patientid", "offset", "sex", "age", "finding", "RT_PCR_positive", "survival", "intubated", "intubation_present",
    "went_icu", "in_icu", "needed_supplemental_O2", "extubated", "temperature", "pO2_saturation", "leukocyte_count",
    "neutrophil_count", "lymphocyte_count", "view", "modality", "date", "location", "folder", "filename", "doi", "url",
    "license", "clinical_notes", "other_notes", "",
)  # fmt: skip
FINDINGS = {"covid": "Pneumonia/Viral/COVID-19", "normal": "No Finding"}


def rows_of(images):
    """A row per phantom, two images per patient, and rows that the defaults leave out."""
    files = sorted(path for path in images.rglob("*") if path.parent.name in FINDINGS)
    rows = []
    for number, file in enumerate(files):
        label = file.parent.name
        rows.append(
            {
                "patientid": f"{label}-{number // 2}", "offset": number % 2, "sex": "FM"[number % 2],
                "age": 40 + number,
                "finding": FINDINGS[label], "view": ("PA", "AP", "AP Supine")[number % 3], "modality": "X-ray",
                "location": ("Hospital A, Italy", "Hospital B, Spain")[number // 2 % 2], "folder": "images",
                "filename": file.name, "clinical_notes": 'fever, "dry" cough\nover two lines',
            }
        )  # fmt: skip
    extra = {"patientid": "x", "folder": "images", "filename": "none.png", "modality": "X-ray", "view": "PA"}
    rows += [
        {**extra, "finding": "Tuberculosis"},
        {**extra, "finding": "Pneumonia/Viral/SARS"},
        {**extra, "finding": FINDINGS["covid"], "view": "L"},
        {**extra, "finding": FINDINGS["covid"], "modality": "CT", "view": "Axial"},
        {**extra, "finding": FINDINGS["covid"], "folder": "volumes", "filename": "scan.nii.gz"},
    ]
    return files, rows


def write_cohen(images, target, change=lambda rows: rows):
    """Copy the phantoms into ``target`` with a metadata.csv; ``change`` may alter its rows."""
    files, rows = rows_of(images)
    (target / "images").mkdir(parents=True)
    for file in files:
        shutil.copy(file, target / "images" / file.name)
    with (target / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(change(rows))
    return target
