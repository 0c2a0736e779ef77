"""Readers whose bundles are for children and for adults."""

import io
from dataclasses import replace
from datetime import date

import numpy as np
from PIL import Image
from pydicom.uid import generate_uid

from pneumoscope.clinic.storage.unknown_age import UnknownAge
from pneumoscope.reader import AutomaticReader, Reader
from pneumoscope.reader.population import Population

from ..radiograph.dicom_objects import computed_radiograph, save
from .conftest import Readers

CHILDREN = Population(name="children", min_age=1, max_age=5)
ADULTS = Population(name="adults", min_age=18)


def reader_for(reader: Reader, population: Population) -> Reader:
    """Return a reader whose bundle, of a population's name, answers for it and refuses no other."""
    update = {"name": population.name, "population": population, "refusal": None}
    record = reader.bundle.record.model_copy(update=update)
    return Reader(replace(reader.bundle, record=record), threads=1)


def automatic_readers(children: Reader, adults: Reader) -> Readers:
    """Return the readers of a server that chooses between two bundles, by setting."""
    both = [reader_for(children, CHILDREN), reader_for(adults, ADULTS)]
    return {
        setting: AutomaticReader(both, threads=1, unknown_age=setting.population)
        for setting in UnknownAge
    }


def dicom_of(picture: bytes, **attributes: object) -> bytes:
    """Return a picture as a Computed Radiography object, with a SOP Instance UID of its own."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    common = {"Modality": "CR", "SOPInstanceUID": generate_uid()}
    return save(computed_radiograph(pixels, **(common | attributes)))


def years_before(day: date, years: int) -> date:
    return day.replace(year=day.year - years, day=min(day.day, 28))
