"""Monitoring overview of a simulated clinic, and the references of bundles."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from pneumoscope.clinic.identity.accounts import Role, create_user
from pneumoscope.clinic.monitoring.observations import first_per_patient, observations_between
from pneumoscope.clinic.monitoring.overview import (
    Baseline,
    MonitoringOverview,
    MonitoringQuery,
    monitoring_overview,
)
from pneumoscope.clinic.monitoring.periods import DateRange
from pneumoscope.clinic.monitoring.reference import (
    STATISTICS,
    Reference,
    find_reference,
    make_reference,
)
from pneumoscope.clinic.settings import Settings
from pneumoscope.clinic.storage.tables import Image, Judgement, StoredReading, Study
from pneumoscope.clinic.worklist.judgements import JudgementAnswer, Opinion, Truth
from pneumoscope.dataset import Manifest
from pneumoscope.evaluation.statistics.drift import ShiftSize
from pneumoscope.reader import Bundle, Finding, find_bundle, open_reader, shipped_bundles
from pneumoscope.reader.reading import finding_at
from pneumoscope.support.errors import ClinicError

from ..simulated import NOW, Simulated, brighter


def overview(simulated: Simulated, **query: object) -> MonitoringOverview:
    with simulated.database.reading() as session:
        return monitoring_overview(session, [simulated.baseline], MonitoringQuery(**query), NOW)


def readings(simulated: Simulated) -> list[StoredReading]:
    with simulated.database.reading() as session:
        return list(session.scalars(select(StoredReading).order_by(StoredReading.created)))


def test_periods_are_whole_days_up_to_yesterday(simulated: Simulated) -> None:
    simulated.run(4, 0, 3)
    found = overview(simulated, days=2, periods=2)
    assert [str(period.days) for period in found.periods] == [
        "2026-11-21 to 2026-11-22",
        "2026-11-23 to 2026-11-24",
    ]
    assert [period.images for period in found.periods] == [6, 6]  # without the three of today


def test_durations_are_those_of_the_readings(simulated: Simulated) -> None:
    simulated.run(5, 1, 8)
    (found,) = overview(simulated, days=5, periods=1).periods
    milliseconds = [reading.milliseconds for reading in readings(simulated)]
    assert found.reading is not None
    assert found.reading.median == pytest.approx(np.median(milliseconds) / 1000)
    assert found.reading.percentile_95 == pytest.approx(np.quantile(milliseconds, 0.95) / 1000)
    assert found.waiting is not None
    assert 1 < found.waiting.median < 30


def test_patients_and_files_count_once(simulated: Simulated) -> None:
    simulated.run(2, 1, 5, rejected=0.0)
    with simulated.database.writing() as session:
        studies = session.scalars(select(Study).order_by(Study.received)).all()
        images = session.scalars(select(Image).order_by(Image.received)).all()
        studies[1].patient_id = studies[0].patient_id
        studies[2].patient_id = studies[3].patient_id = None  # two unknown patients
        images[9].sha256 = images[8].sha256
    (found,) = overview(simulated, days=2, periods=1).periods
    assert (found.images, found.patients) == (10, 8)


def test_the_same_identifier_at_two_sites_is_two_patients(simulated: Simulated) -> None:
    for site in ("East", "West"):
        simulated.run(1, 1, 1, site=site)
    with simulated.database.writing() as session:
        for study in session.scalars(select(Study)):
            study.patient_id = "Okafor-7"
    with simulated.database.reading() as session:
        days = DateRange.before(NOW, 1)
        observations = observations_between(session, days.begin, days.end, None)
    assert len(list(first_per_patient(observations))) == 2
    assert "Okafor" not in repr(observations)


def test_rejected_and_failed_images_are_counted_by_reason(simulated: Simulated) -> None:
    simulated.run(2, 1, 4, rejected=1.0)
    simulated.run(1, 1, 2, rejected=0.0)
    with simulated.database.writing() as session:
        last = session.scalars(select(StoredReading).where(StoredReading.status == "read")).first()
        assert last is not None
        last.status, last.probability, last.finding = "failed", None, None
        last.refusal = "undecodable"
    (found,) = overview(simulated, days=2, periods=1).periods
    assert (found.unread.part, found.unread.whole) == (9, 10)
    assert found.refusals == {"lateral": 8, "undecodable": 1}


def make_outside(simulated: Simulated, count: int) -> None:
    """Make the first readings outside, of images that are far brighter than all others."""
    with simulated.database.writing() as session:
        first = select(StoredReading).order_by(StoredReading.created).limit(count)
        for reading in session.scalars(first):
            reading.status, reading.refusal = "outside", "age"
            reading.probability_outside, reading.probability = 0.99, None
            reading.finding, reading.inputs = None, reading.inputs | {"brightness": 0.99}


def test_images_that_are_outside_count_as_unread_and_not_for_the_drift(
    simulated: Simulated,
) -> None:
    simulated.run(2, 1, 100, rejected=0.0)
    make_outside(simulated, 60)
    (found,) = overview(simulated, days=2, periods=1).periods
    assert (found.unread.part, found.unread.whole) == (60, 200)
    assert found.refusals == {"age": 60}
    assert {shift.patients for shift in found.shifts.values()} == {140}
    assert found.shifts["brightness"].band is ShiftSize.SMALL


def test_a_later_image_of_a_patient_counts_for_the_drift_if_the_first_is_outside(
    simulated: Simulated,
) -> None:
    simulated.run(2, 2, 60, rejected=0.0)
    make_outside(simulated, 60)
    simulated.run(1, 1, 60, rejected=0.0)
    with simulated.database.writing() as session:
        studies = session.scalars(select(Study).order_by(Study.received)).all()
        for first, second in zip(studies[:60], studies[60:], strict=True):
            second.patient_id = first.patient_id
    (found,) = overview(simulated, days=2, periods=1).periods
    assert (found.patients, found.unread.part) == (60, 60)
    assert {shift.patients for shift in found.shifts.values()} == {60}


def test_each_bundle_has_its_own_drift_and_all_readings_one_volume(simulated: Simulated) -> None:
    simulated.run(2, 1, 40, rejected=0.0)
    simulated.run(2, 1, 30, rejected=0.0, change=brighter(0.2), bundle="adults")
    assert simulated.baseline.reference is not None
    adults = replace(
        simulated.baseline,
        bundle="adults",
        reference=replace(simulated.baseline.reference, bundle="adults"),
    )
    unused = replace(simulated.baseline, bundle="unused")

    def of(bundle: str | None) -> MonitoringOverview:
        query = MonitoringQuery(days=2, periods=1, bundle=bundle)
        with simulated.database.reading() as session:
            return monitoring_overview(session, [simulated.baseline, adults, unused], query, NOW)

    first, second = of(None), of("adults")
    assert first.bundle == simulated.baseline.bundle
    assert first.bundles == second.bundles == (first.bundle, "adults")
    assert first.periods[0].images == second.periods[0].images == 140
    assert [found.periods[0].shifts["brightness"].patients for found in (first, second)] == [80, 60]
    assert first.periods[0].shifts["brightness"].band is not ShiftSize.LARGE
    assert second.periods[0].shifts["brightness"].band is ShiftSize.LARGE
    with pytest.raises(ClinicError, match="choose one of"):
        of("another")


def test_the_overview_is_of_one_site_or_all(simulated: Simulated) -> None:
    simulated.run(3, 1, 2, site="East")
    simulated.run(3, 1, 5, site="West")
    east = simulated.site("East")
    assert overview(simulated, days=3, periods=1).periods[0].images == 21
    assert overview(simulated, days=3, periods=1, site=east).periods[0].images == 6


def test_only_the_shifted_statistic_is_significant(
    simulated: Simulated,
) -> None:
    simulated.run(20, 11, 12)
    simulated.run(10, 1, 12, change=brighter(0.08))
    before, after = overview(simulated, days=10, periods=2).periods
    # The shipped reference has only square images, so that aspects cannot be compared.
    assert list(before.shifts) == [name for name in STATISTICS if name != "aspect"]
    assert before.shifts["brightness"].band is not ShiftSize.LARGE
    assert after.shifts["brightness"].band is ShiftSize.LARGE
    assert after.shifts["brightness"].shares[-1] > 0.3
    adjusted = overview(simulated, days=10, periods=2).adjusted_p
    assert [name for name, p in adjusted.items() if p < 1e-6] == ["brightness"]


def test_readings_of_another_bundle_are_not_compared(simulated: Simulated) -> None:
    simulated.run(5, 1, 20, bundle="another@0", judged=1.0)
    (found,) = overview(simulated, days=5, periods=1).periods
    assert (found.images, found.shifts) == (100, {})
    known = overview(simulated, days=5, periods=1)
    assert (known.accuracy.patients, known.agreement[-1].agree.whole) == (0, 0)


def test_readings_without_input_statistics_are_compared_by_probability(
    simulated: Simulated,
) -> None:
    simulated.run(10, 1, 10)
    with simulated.database.writing() as session:
        for reading in session.scalars(select(StoredReading)):
            reading.inputs = None
    (found,) = overview(simulated, days=10, periods=1).periods
    assert list(found.shifts) == ["probability", "distance"]


def test_agreement_counts_in_the_week_of_the_judgement(simulated: Simulated) -> None:
    simulated.run(14, 8, 4, rejected=0.0, judged=1.0, agree=1.0)
    simulated.run(7, 1, 4, rejected=0.0, judged=1.0, agree=0.0)
    weeks = overview(simulated, days=7, periods=2).agreement
    assert [(week.agree.part, week.agree.whole) for week in weeks] == [(28, 28), (0, 28)]


def test_the_first_judgement_of_a_patient_counts(simulated: Simulated) -> None:
    simulated.run(1, 1, 3, rejected=0.0, judged=1.0, agree=1.0)
    with simulated.database.writing() as session:
        judgements = session.scalars(select(Judgement).order_by(Judgement.id)).all()
        judgements[0].answer = JudgementAnswer.UNCERTAIN
        other = create_user(session, "other", Role.REVIEWER, None, NOW)
        session.add(
            Judgement(
                image_id=judgements[1].image_id,
                user_id=other.user_id,
                version=1,
                answer=JudgementAnswer.DISAGREE,
                created=judgements[1].created + timedelta(minutes=1),
            )
        )
    week = overview(simulated, days=7, periods=1).agreement[-1]
    assert (week.agree.part, week.agree.whole, week.uncertain) == (2, 2, 1)


def test_judgements_of_images_that_were_not_read_agree_with_no_finding(
    simulated: Simulated,
) -> None:
    simulated.run(1, 1, 4, rejected=0.0, judged=1.0, agree=1.0)
    make_outside(simulated, 3)
    assert overview(simulated, days=7, periods=1).agreement[-1].agree.whole == 1


def test_agreement_before_and_after_seeing_the_reading_and_changed_minds(
    simulated: Simulated,
) -> None:
    """Two agree blind and stay; two contradict, of whom one changes; one is unsure, then agrees."""
    simulated.run(1, 1, 6, rejected=0.0)
    said = [
        (True, JudgementAnswer.AGREE),
        (True, JudgementAnswer.AGREE),
        (False, JudgementAnswer.DISAGREE),
        (False, JudgementAnswer.AGREE),
        (None, JudgementAnswer.AGREE),
        (True, None),  # in shadow mode
    ]
    yesterday = NOW - timedelta(days=1)
    with simulated.database.writing() as session:
        judge = create_user(session, "judge", Role.CLINICIAN, None, NOW).user_id
        for image, (agrees, answer) in zip(session.scalars(select(Image)), said, strict=True):
            image.reading.finding = str(Finding.SUSPECTED)
            opinions = {True: Opinion.PNEUMONIA, False: Opinion.NO_PNEUMONIA}
            opinion = opinions.get(agrees, Opinion.NOT_SURE)
            versions = [Judgement(opinion=opinion, truth=opinion.truth, blind=True)]
            versions += [] if answer is None else [Judgement(answer=answer)]
            for version, judgement in enumerate(versions, start=1):
                judgement.image_id, judgement.user_id = image.id, judge
                judgement.version, judgement.created = version, yesterday
                session.add(judgement)
        session.add(  # the last has seen the reading meanwhile, and contradicts it
            Judgement(
                image_id=image.id,
                user_id=judge,
                version=2,
                opinion=Opinion.NO_PNEUMONIA,
                truth=Opinion.NO_PNEUMONIA.truth,
                created=yesterday + timedelta(hours=1),
            )
        )
    found = overview(simulated, days=7, periods=1)
    week = found.agreement[-1]
    assert (week.blind_agree.part, week.blind_agree.whole, week.blind_uncertain) == (3, 5, 1)
    assert (week.agree.part, week.agree.whole, week.uncertain) == (4, 6, 0)
    assert (week.changed.part, week.changed.whole) == (3, 6)
    assert (found.accuracy.judged, found.accuracy.blind) == (6, 0)


def test_accuracy_is_corrected_for_verification_bias(simulated: Simulated) -> None:
    """All patients above the threshold are ill, and a fifth below it, of whom few are judged."""
    simulated.run(20, 1, 30, rejected=0.0)
    threshold = simulated.baseline.point.threshold
    rng = np.random.default_rng(5)
    with simulated.database.writing() as session:
        judge = create_user(session, "judge", Role.REVIEWER, None, NOW).user_id
        ill = called = 0
        for image in session.scalars(select(Image).order_by(Image.id)).all():
            above = image.reading.probability >= threshold
            is_ill = above or rng.random() < 0.2
            ill, called = ill + is_ill, called + above
            if rng.random() < (0.9 if above else 0.3):
                truth = Truth.PNEUMONIA if is_ill else Truth.NORMAL
                session.add(
                    Judgement(
                        image_id=image.id,
                        user_id=judge,
                        version=1,
                        answer=JudgementAnswer.UNCERTAIN,
                        truth=truth,
                        created=NOW,
                    )
                )
    found = overview(simulated, days=20, periods=1).accuracy
    assert found.patients == 600
    naive, corrected = found.among_judged.sensitivity, found.corrected.sensitivity
    assert naive.value is not None
    assert corrected.interval is not None
    assert naive.value > called / ill + 0.03
    assert corrected.low < called / ill < corrected.high
    assert found.corrected.specificity.value == 1.0


def test_uncertain_findings_are_neither_found_nor_cleared(simulated: Simulated) -> None:
    """Of 5 ill, 3 are suspected and 1 is uncertain; of 5 well, 2 are cleared and 2 uncertain."""
    simulated.run(1, 1, 10, rejected=0.0)
    point, name = simulated.baseline.point, simulated.baseline.name
    suspected, cleared = (point.high + 1) / 2, point.low / 2
    low_confidence = (point.low + point.high) / 2
    ill = [suspected] * 3 + [low_confidence, cleared]
    well = [cleared] * 2 + [low_confidence] * 2 + [suspected]
    with simulated.database.writing() as session:
        judge = create_user(session, "judge", Role.REVIEWER, None, NOW).user_id
        images = session.scalars(select(Image)).all()
        for number, (image, probability) in enumerate(zip(images, ill + well, strict=True)):
            image.reading.probability = probability
            image.reading.findings = {name: str(finding_at(probability, point, abstain=True))}
            truth = Truth.PNEUMONIA if number < 5 else Truth.NORMAL
            said = Judgement(answer=JudgementAnswer.UNCERTAIN, truth=truth, created=NOW)
            said.image_id, said.user_id, said.version = image.id, judge, 1
            session.add(said)
    found = overview(simulated, days=1, periods=1).accuracy
    assert (found.patients, found.judged, found.uncertain) == (10, 10, 3)
    for rates in (found.among_judged, found.corrected):
        assert rates.sensitivity.value == pytest.approx(3 / 5)
        assert rates.specificity.value == pytest.approx(2 / 5)


def test_contradicting_judgements_tell_no_truth(simulated: Simulated) -> None:
    simulated.run(1, 1, 2, rejected=0.0)
    with simulated.database.writing() as session:
        images = session.scalars(select(Image)).all()
        for name, truth in (("a", Truth.NORMAL), ("b", Truth.PNEUMONIA)):
            judge = create_user(session, name, Role.REVIEWER, None, NOW).user_id
            session.add(
                Judgement(
                    image_id=images[0].id,
                    user_id=judge,
                    version=1,
                    answer=JudgementAnswer.UNCERTAIN,
                    truth=truth,
                    created=NOW,
                )
            )
    found = overview(simulated, days=1, periods=1).accuracy
    assert (found.patients, found.judged) == (2, 0)


def test_the_overview_of_an_empty_clinic(simulated: Simulated) -> None:
    found = overview(simulated)
    assert {period.images for period in found.periods} == {0}
    assert found.accuracy.corrected.sensitivity.value is None


def test_shipped_bundles_with_validation_images_have_a_reference() -> None:
    found = {
        name: Baseline.of(Bundle.open(find_bundle(name)), Settings(Path())).reference
        for name in shipped_bundles()
    }
    assert found.pop("adults") is None
    for reference in found.values():
        assert reference is not None
        for statistic in STATISTICS:
            values = reference.values[statistic]
            assert len(values) >= 100
            assert (np.diff(values) >= 0).all()  # sorted, so that no patient's values stay together


def test_a_clinics_own_reference_precedes_the_shipped_one(
    tmp_path: Path, baseline: Baseline
) -> None:
    own = Reference(baseline.bundle, dict.fromkeys(STATISTICS, np.arange(70.0)))
    own.write(tmp_path / "references")
    found = find_reference(baseline.bundle, tmp_path)
    assert found is not None
    assert (found.bundle, found.patients) == (baseline.bundle, 70)
    np.testing.assert_array_equal(found.values["noise"], np.arange(70.0))


@pytest.mark.parametrize("length", [0, 5, 200, 5000])
def test_a_damaged_reference_is_an_error(tmp_path: Path, baseline: Baseline, length: int) -> None:
    assert baseline.reference is not None
    path = baseline.reference.write(tmp_path / "references")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ClinicError, match=r"npz: damaged .*'pneumoscope reference'"):
        find_reference(baseline.bundle, tmp_path)


def test_the_shipped_reference_is_reproducible(children: Manifest, baseline: Baseline) -> None:
    made = make_reference(open_reader("default", threads=1), children)
    assert baseline.reference is not None
    for name, values in baseline.reference.values.items():
        np.testing.assert_allclose(made.values[name], values, rtol=0.02, atol=1e-4)


def test_the_reference_command_needs_the_bundles_own_data(
    pneumoscope: Callable, phantom_dataset: Path, exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "references"
    made = pneumoscope("reference", phantom_dataset, "--bundle", exported, "--out", out)
    assert made.code == 0, made.err
    bundle = Bundle.open(exported)
    found = find_reference(bundle.identity, tmp_path)
    assert found is not None
    assert 0 < found.patients <= bundle.record.training_data.validation
    refused = pneumoscope("reference", phantom_dataset, "--out", out)
    assert refused.code != 0
    assert "other data or another split" in refused.err
