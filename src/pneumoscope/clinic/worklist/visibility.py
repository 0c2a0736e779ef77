"""Visibility of readings: from whom they are withheld, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from pneumoscope.clinic.identity.accounts import Actor, Role
from pneumoscope.clinic.queue.readings import UNREAD_STATUSES
from pneumoscope.clinic.storage.tables import Image, Judgement, Site, Study


class Withheld(StrEnum):
    """Reason why a reading is withheld from a user."""

    SHADOW_MODE = "shadow mode"
    """The site displays no readings yet."""
    OPINION_FIRST = "opinion first"
    """The user has not yet saved an opinion of each image of the study."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """Visibility of the readings of some studies to a user."""

    sees_hidden: bool
    """Whether the user sees all readings, whatever the settings of the site."""
    judged: frozenset[str]
    """Identifiers of the images that the user has judged, or anybody in the case of a program."""
    answered: frozenset[str]
    """Those of them whose reading was answered, not only an opinion given without it."""

    def withheld(self, study: Study) -> Withheld | None:
        """Return why findings of a study are withheld; None if they are shown.

        Those of a site that asks for opinions first are withheld together, since the reading of one
        image would bias the opinion of the next.
        """
        if self.sees_hidden:
            return None
        if not study.site.displayed:
            return Withheld.SHADOW_MODE
        if study.site.opinion_first and any(map(self._lacks_opinion, study.images)):
            return Withheld.OPINION_FIRST
        return None

    def withheld_image(self, image: Image) -> Withheld | None:
        """Return why the reading of an image is withheld; None if it is shown.

        That an image could not be read tells nothing of a finding, and is withheld in shadow mode
        only.
        """
        reason = self.withheld(image.study)
        if reason is Withheld.OPINION_FIRST and _is_unread(image):
            return None
        return reason

    def is_done(self, image: Image) -> bool:
        """Return whether the user has judged an image: by an answer, if its reading is shown."""
        return image.id in (self.judged if self.withheld_image(image) else self.answered)

    def _lacks_opinion(self, image: Image) -> bool:
        return not (image.purged is not None or _is_unread(image) or image.id in self.judged)


def visibility_of(
    session: Session, actor: Actor, studies: Iterable[Study], *, sees_hidden: bool
) -> Visibility:
    """Return what a user may see of some studies.

    A program gives no opinions. It sees a reading once a person has judged the image, so that it
    can carry no reading to people who have still to give their opinion.
    """
    image_ids = {image.id for study in studies for image in study.images}
    statement = (
        select(Judgement.image_id, Judgement.answer.is_not(None))
        .where(Judgement.image_id.in_(image_ids))
        .distinct()
    )
    if actor.role != Role.SERVICE:
        statement = statement.where(Judgement.user_id == actor.user_id)
    judged = session.execute(statement).all()
    return Visibility(
        sees_hidden,
        judged=frozenset(image_id for image_id, _ in judged),
        answered=frozenset(image_id for image_id, answered in judged if answered),
    )


def hides_order() -> ColumnElement[bool]:
    """Return the SQL condition that the order of a site's studies may not tell of their findings.

    It holds for all studies of the site: studies that moved when they are judged would tell.
    """
    return or_(Site.displayed.is_(False), Site.opinion_first.is_(True))


def _is_unread(image: Image) -> bool:
    return image.reading is not None and image.reading.status in UNREAD_STATUSES
