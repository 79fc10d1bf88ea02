import books
import pytest

from thermly import ids
from thermly.exchange import Usage
from thermly.store import images
from thermly.store.db import Database
from thermly.store.images import Image, Job

NOW_MS = books.NOW_MS


@pytest.fixture
def job(base: Database) -> Job:
    by = books.payer(base)
    made = Job(
        ids.new(), by.account_id, "queued", "", 0, '{"prompt":"a fox"}', "m", 2, 0, "1x1", "hd", None, None, "",
        NOW_MS, NOW_MS,
    )  # fmt: skip
    with base.begin() as tx:
        images.add(tx, made, NOW_MS + 1000)
    return made


def found(base: Database, job: Job) -> Job:
    with base.each() as tx:
        again = images.find(tx, job.id)
    assert again is not None
    return again


def picture(position: int) -> Image:
    return Image(f"{position}.png", position, "image/png", 9, None)


def test_a_job_is_kept_as_it_was_written(base: Database, job: Job) -> None:
    assert found(base, job) == job


def test_only_one_process_claims_a_job(base: Database, job: Job) -> None:
    with base.begin() as tx:
        first, second = images.claim(tx, job.id, "a"), images.claim(tx, job.id, "b")
    assert first is not None and (first.state, first.owner, first.attempts) == ("running", "a", 1)
    assert second is None


def test_a_job_is_given_back_only_by_whom_it_was_taken_from(base: Database, job: Job) -> None:
    with base.begin() as tx:
        images.claim(tx, job.id, "a")
        assert not images.requeue(tx, job.id, "b", NOW_MS)
        assert images.requeue(tx, job.id, "a", NOW_MS + 5)
        assert not images.requeue(tx, job.id, "a", NOW_MS)
    again = found(base, job)
    assert (again.state, again.owner, again.queued_at_ms) == ("queued", "", NOW_MS + 5)


def test_images_and_tokens_add_up_while_the_job_is_ones_own(base: Database, job: Job) -> None:
    with base.begin() as tx:
        images.claim(tx, job.id, "a")
        assert images.keep(tx, job.id, "a", [picture(0)], None)
    assert found(base, job).usage is None
    with base.begin() as tx:
        assert images.keep(tx, job.id, "a", [picture(1)], Usage(3, output_tokens=5))
        assert not images.keep(tx, job.id, "b", [picture(2)], Usage(3, output_tokens=5))
        assert [image.position for image in images.of_job(tx, job.id)] == [0, 1]
    assert found(base, job).usage == Usage(3, output_tokens=5)


def test_a_job_ends_once_and_its_prompt_with_it(base: Database, job: Job) -> None:
    with base.begin() as tx:
        assert not images.finish(tx, job.id, "", "done", "", NOW_MS), "nobody has begun it"
        images.claim(tx, job.id, "a")
        assert not images.finish(tx, job.id, "b", "done", "", NOW_MS)
        assert images.finish(tx, job.id, "a", "done", "", NOW_MS)
        assert not images.finish(tx, job.id, "a", "failed", "", NOW_MS)
        assert images.unfinished(tx) == []
    ended = found(base, job)
    assert (ended.state, ended.request, ended.finished) == ("done", "", True)


def test_an_image_is_shown_when_its_job_is_done_and_until_it_expires(base: Database, job: Job) -> None:
    with base.begin() as tx:
        images.claim(tx, job.id, "a")
        images.keep(tx, job.id, "a", [picture(0)], None)
        assert images.by_name(tx, "0.png", NOW_MS) is None
        images.finish(tx, job.id, "a", "done", "", NOW_MS)
        assert images.by_name(tx, "0.png", NOW_MS) == (picture(0), NOW_MS + 1000)
        assert images.by_name(tx, "0.png", NOW_MS + 1000) is None
        assert images.expired(tx, NOW_MS + 999) == []
        assert images.expired(tx, NOW_MS + 1000) == [job.id]
        assert images.forget_images(tx, job.id) == ["0.png"]
        images.forget(tx, job.id)
        assert images.find(tx, job.id) is None


def test_a_hold_that_no_open_job_stands_behind_is_found(base: Database, job: Job) -> None:
    by = books.payer(base, name="other")
    with base.begin() as tx:
        for held in (job.id, "gone"):
            tx.run(
                """INSERT INTO hold (id, account_id, key_id, amount_nanousd, capped, owner, surface,
                     requested_model, started_at_ms)
                   VALUES (:id, :account, :key, 0, 0, 'job/' || :id, '', '', 0)""",
                {"id": held, "account": by.account_id, "key": by.key_id},
            )
        assert images.holds_without_job(tx) == ["job/gone"]
