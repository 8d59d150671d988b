"""Blobs and the lake's files in a bucket of a real server that speaks S3."""

import pytest

from lineside.core import Conflict, NotFound, Settings, Unavailable
from lineside.store import LakeTable, open_store

NOTES = LakeTable("notes", {"workspace": "VARCHAR", "id": "VARCHAR"})
pytestmark = [
    pytest.mark.xdist_group("bucket"),
    pytest.mark.parametrize("settings", ["sqlite"], indirect=True),
]


@pytest.fixture
def in_bucket(settings: Settings, bucket, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in bucket.keys.items():
        monkeypatch.setenv(name, value)
    return Settings(home=settings.home, lake=f"{bucket.address}/lake", s3_endpoint=bucket.endpoint)


def test_blobs_lie_where_the_lake_lies_and_every_machine_reads_them(
    in_bucket: Settings, tmp_path
) -> None:
    first = open_store(in_bucket)
    digests = first.blobs.put_all([b"one", b"two", b"one"])
    first.close()
    second = open_store(
        Settings(home=tmp_path / "b", lake=in_bucket.lake, s3_endpoint=in_bucket.s3_endpoint)
    )

    assert [second.blobs.get(digest) for digest in digests] == [b"one", b"two", b"one"]
    assert digests[0] in second.blobs
    with pytest.raises(NotFound):
        second.blobs.get("sha256:" + "0" * 64)
    second.close()
    assert not list(in_bucket.home.glob("blobs/**/*"))


def test_blobs_kept_before_there_was_a_bucket_are_still_read(
    settings: Settings, in_bucket: Settings
) -> None:
    before = open_store(settings)
    digest = before.blobs.put(b"old")
    before.close()

    after = open_store(in_bucket)

    assert after.blobs.get(digest) == b"old"
    after.close()


def test_a_bucket_that_refuses_leaves_rows_in_the_inbox_until_it_gives_in(
    in_bucket: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    store = open_store(in_bucket)
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", [{"workspace": "w", "id": f"n{at}"} for at in range(50)])

    with pytest.raises(Unavailable, match="Could not look in the bucket"):
        store.blobs.put(b"x")
    with pytest.raises(Unavailable, match=r"lake could not be used.*403") as refused:
        store.flusher.flush()
    assert "lineside doctor" in str(refused.value.hint)
    assert store.inbox.count() == 50
    store.close()

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tester-secret")
    store = open_store(in_bucket)
    store.add_lake_table(NOTES)
    assert store.flusher.flush() == 50
    assert store.lake.read(NOTES, "SELECT count(*) AS n FROM {notes}") == [{"n": 50}]
    store.close()


def test_a_damaged_blob_is_not_given_out(in_bucket: Settings, bucket) -> None:
    import obstore
    from obstore.store import S3Store

    store = open_store(in_bucket)
    digest = store.blobs.put(b"hello")
    plain = S3Store(
        bucket.address.removeprefix("s3://"),
        endpoint=bucket.endpoint,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    (found,) = [one for page in obstore.list(plain) for one in page if "blobs" in one["path"]]
    obstore.put(plain, found["path"], b"hullo")

    with pytest.raises(Conflict, match="has changed"):
        store.blobs.get(digest)
    store.close()
