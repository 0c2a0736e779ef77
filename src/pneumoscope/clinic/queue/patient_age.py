"""Age by which an image is read: the file's, the sender's, or that of a corrected patient."""

from pneumoscope.clinic.queue.stated_age import MAX_DIFFERENCE_YEARS, StatedAge
from pneumoscope.clinic.storage.tables import Image, Study
from pneumoscope.clinic.worklist.examination import examination_day
from pneumoscope.radiograph.acquisition import age_between


def age_of_study(study: Study) -> float | None:
    """Return the patient's age in years at a study: by the birth date, or else as stated."""
    if study.birth_date is None:
        return study.stated_age
    return age_between(study.birth_date, examination_day(study))


def age_of_image(image: Image) -> StatedAge:
    """Return the age that counts besides what the image's file says.

    Once a person has corrected the patient, the age of the study counts instead of the file's. A
    sender who states another one with the file contradicts that person: then no finding is due.
    """
    stated = StatedAge(image.stated_age, image.age_contradicted)
    if not image.study.age_corrected:
        return stated
    years = age_of_study(image.study)
    if years is None:
        return stated if stated.contradicted else StatedAge(stated.years, corrected=True)
    if stated.years is not None and abs(stated.years - years) > MAX_DIFFERENCE_YEARS:
        return StatedAge(years, contradicted=True)
    return StatedAge(years, corrected=True)
