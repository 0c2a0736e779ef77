import subprocess
import sys

from ..radiograph.dicom_objects import computed_radiograph, save

READ_HEADER = """
import sys
from pneumoscope.clinic.logs import configure_logging
from pneumoscope.radiograph.dicom_header import read_dicom_header

configure_logging()
print(*read_dicom_header(sys.stdin.buffer.read(), "chest.dcm").elements, sep="\\n")
"""


def test_damaged_values_of_a_file_are_not_logged() -> None:
    content = save(computed_radiograph(PatientWeight="12.25"))
    damaged = content.replace(b"12.25", b"JANE!")
    command = [sys.executable, "-c", READ_HEADER]
    done = subprocess.run(command, input=damaged, capture_output=True, check=True)
    assert b"Patient's Weight" in done.stdout
    assert b"JANE!" not in done.stderr
