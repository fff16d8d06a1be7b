"""From the data section of a configuration to records, whatever the source."""

from __future__ import annotations

from pathlib import Path

from covidnet.config.schema import AnyData, CohenData, CsvData, PhantomData, PhantomPatchData
from covidnet.data.cohen import FINDINGS, METADATA, Choice, scan_cohen
from covidnet.data.csv_source import TableSettings, scan_table
from covidnet.data.patients import name_patients
from covidnet.data.records import Scan, scan_folder
from covidnet.errors import DataError


def scan_source(config: AnyData, root: Path | None = None) -> Scan:
    """Find the images of a data source; phantoms are drawn first.

    Args:
        config: The data section.
        root: Where the images are, when not where ``config`` says; a table of the same name there is preferred.

    Raises:
        DataError: The source cannot be used as asked.
        ConfigError: A key of ``config`` does not fit the data.
    """
    if isinstance(config, CsvData):
        return _scan_csv(config, root)
    folder = expanded("data.root", root or Path(config.root))
    if isinstance(config, CohenData):
        choice = Choice(
            config.findings or FINDINGS,
            config.views,
            config.modality,
            config.source_column,
            config.patient_labels == "many",
        )
        return scan_cohen(folder, choice, missing=config.on_bad_image)
    if isinstance(config, PhantomPatchData):
        return _scan_patches(config, folder, draw=root is None)
    if isinstance(config, PhantomData) and root is None:
        _draw_phantoms(config, folder)
    scan = scan_folder(folder)
    scan.records = name_patients(scan.records, config.patients, config.sources)
    return scan


def table_of(config: AnyData) -> Path | None:
    """The table that lists the images, if there is one."""
    if isinstance(config, CsvData):
        return expanded("data.table", Path(config.table))
    if isinstance(config, CohenData):
        return expanded("data.root", Path(config.root)) / METADATA
    return None


def expanded(key: str, path: Path) -> Path:
    """``path`` with its ~ resolved.

    Raises:
        DataError: There is no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise DataError(f"{key}={path}: no such home folder. Write the path in full.") from error


def _scan_csv(config: CsvData, root: Path | None) -> Scan:
    table = expanded("data.table", Path(config.table))
    if root is not None and (root / table.name).is_file():
        table = root / table.name
    if root is None:
        root = table.parent if config.root is None else expanded("data.root", Path(config.root))
    settings = TableSettings(
        config.columns.model_dump(), config.classes, config.separator, config.encoding, config.patient_labels == "many"
    )
    return scan_table(table, root, settings, missing=config.on_bad_image)


def _draw_phantoms(config: PhantomData, folder: Path) -> None:
    from covidnet.data.faults import Faults
    from covidnet.data.phantoms import PhantomSpec, write_phantoms

    faults = Faults(**config.faults.model_dump())
    write_phantoms(folder, PhantomSpec(count=config.count, seed=config.phantom_seed, faults=faults))


def _scan_patches(config: PhantomPatchData, folder: Path, *, draw: bool) -> Scan:
    from covidnet.data.phantom_patches import COLUMNS, TABLE, PatchSpec, write_patches

    if draw:
        write_patches(folder, PatchSpec(config.patients, config.patches, config.phantom_seed))
    return scan_table(folder / TABLE, folder, TableSettings({name: name for name in COLUMNS}))
