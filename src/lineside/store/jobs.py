"""Work that outlives the process that started it, carried by DBOS."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lineside.core import Conflict, Invalid, LinesideError, new_id
from lineside.store.locks import Lock, lock_for
from lineside.store.records import Records, postgres_url

Handler = Callable[[dict[str, Any]], Any]

_VERSION = "1"
"""Raised when the meaning of a stored job changes, so that old ones are not run by new code."""

_DONE = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_UNDER_WAY = ("PENDING", "ENQUEUED", "DELAYED")
_RECOVER_SECONDS = 15.0
_LOOK_SECONDS = 0.1
_MESSAGES_LOOKED_FOR_S = 0.05


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log line says more than the error that whoever waits for the job gets anyway."""
    return not (record.exc_info and isinstance(record.exc_info[1], LinesideError))


class Worked(Protocol):
    """What a job works on, as it stands: `running`, `stopped`, or ended in another way."""

    @property
    def status(self) -> str: ...


W = TypeVar("W", bound=Worked)

# DBOS keeps one instance in a process; so do we.
_open_jobs: "Jobs | None" = None


class Jobs:
    """Durable jobs: what was started is finished, by this process or by the next one.

    A room names its kinds of job and what performs them with `register`; a handler must be able to
    start again from the beginning and skip what is done. Every process holds a lock in its own name
    for as long as it lives; that is how the others know whose jobs to take over.
    """

    def __init__(self, records: Records, *, folder: Path) -> None:
        self._records = records
        self._folder = folder
        self._handlers: dict[str, Handler] = {}
        self._executor = new_id("job")
        self._presence: Lock = self._lock_of(self._executor)
        self._stop = threading.Event()
        self._launch_lock = threading.Lock()
        self._perform: Callable[[str, dict[str, Any]], Any] | None = None
        self._watcher: threading.Thread | None = None

    def register(self, kind: str, handler: Handler) -> None:
        """Say what performs jobs of a kind; the handler gets the payload."""
        self._handlers[kind] = handler

    def ensure(self, kind: str, job_id: str, payload: dict[str, Any]) -> None:
        """Have a job under way or done: start it, take it over from a dead process, or leave it.

        Returns at once. A job that is done or that a living process works on is left as it is.
        """
        if kind not in self._handlers:
            raise Invalid("unknown_job", f"No job is called `{kind}`")
        dbos = self._launch()
        found = dbos.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        if not found:
            from dbos import SetWorkflowID

            with SetWorkflowID(job_id):
                dbos.start_workflow(self._perform, kind, payload)
            return
        self._take_over(found[0])

    def is_done(self, job_id: str) -> bool:
        found = self._launch().list_workflows(
            workflow_ids=[job_id], load_input=False, load_output=False
        )
        return bool(found) and found[0].status in _DONE

    def is_orphan(self, job_id: str) -> bool:
        """Whether nobody works on a job because the process that did has died."""
        found = self._launch().list_workflows(
            workflow_ids=[job_id], load_input=False, load_output=False
        )
        return any(job.status == "PENDING" and not self._is_alive(job.executor_id) for job in found)

    def result(self, job_id: str) -> Any:
        """Wait for a job and return what it returned, or raise what it raised."""
        job = self._launch().retrieve_workflow(job_id)
        return job.get_result(polling_interval_sec=_LOOK_SECONDS)

    def follow(
        self, job_id: str, at_first: W, *, load: Callable[[], W], progress: Callable[[W], None]
    ) -> W:
        """Wait until what a job works on is no longer under way; what broke the job is raised here.

        Args:
            at_first: How it stands now.
            progress: Told how it stands, several times a second and at the end.
        """
        state = at_first
        while state.status == "running":
            progress(state)
            time.sleep(_LOOK_SECONDS)
            if self.is_done(job_id):
                # The job's own end is the truth; a handler that broke raises here what broke it.
                self.result(job_id)
                state = load()
                break
            state = load()
        if state.status == "stopped" and not self.is_orphan(job_id):
            # It says so a moment before its job ends, and only that knows what broke it.
            self.result(job_id)
        progress(state)
        return state

    def recover(self) -> int:
        """Take over the jobs of processes that died; return how many."""
        dead = self._dead_executors()
        pending = self._launch().list_workflows(
            status="PENDING", load_input=False, load_output=False
        )
        taken = sum(self._take_over(job) for job in pending)
        for executor in dead:
            self._lock_of(executor).remove()
        return taken

    def keep_recovering(self, *, after_seconds: float = 0) -> None:
        """Look for jobs of dead processes soon and every quarter of a minute, in a thread."""

        def watch() -> None:
            wait_seconds = after_seconds
            while not self._stop.wait(wait_seconds):
                # Importing DBOS takes a second of CPU, which a server with nothing to take over
                # should not spend. PostgreSQL keeps no trace of who died, so there it looks.
                try:
                    if self._dead_executors() or not self._records.is_sqlite:
                        self.recover()
                except Exception:
                    # The database may be away; when it is back, there is most to take over.
                    logging.getLogger(__name__).warning("Jobs were not looked for", exc_info=True)
                wait_seconds = _RECOVER_SECONDS

        self._watcher = threading.Thread(target=watch, name="lineside-jobs", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop taking jobs; what is under way is taken over by the next process."""
        global _open_jobs
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
        if _open_jobs is self:
            from dbos import DBOS

            is_finished = False
            try:
                is_finished = not DBOS.list_workflows(
                    status="PENDING",
                    executor_id=self._executor,
                    load_input=False,
                    load_output=False,
                )
            except Exception:
                # The database is away, so nobody knows; the next process looks at what was left.
                logging.getLogger(__name__).warning("Jobs were left unread", exc_info=True)
            DBOS.destroy(workflow_completion_timeout_sec=0)
            _open_jobs = None
            if is_finished:
                self._presence.remove()
        self._presence.release()

    def _dead_executors(self) -> list[str]:
        """Who left a lock file in the state folder and holds it no more: their work is undone."""
        left = self._folder.glob("locks/executor-*")
        names = [path.name.removeprefix("executor-") for path in left]
        return [name for name in names if not self._is_alive(name)]

    def _lock_of(self, executor: str) -> Lock:
        return lock_for(self._records, self._folder, f"executor-{executor}")

    def _take_over(self, job: Any) -> bool:
        if job.status != "PENDING" or job.executor_id == self._executor:
            return False
        turn = lock_for(self._records, self._folder, "jobs-recovery")
        if not turn.try_acquire():
            return False
        try:
            dbos = self._launch()
            fresh = dbos.list_workflows(
                workflow_ids=[job.workflow_id], load_input=False, load_output=False
            )[0]
            if fresh.status != "PENDING" or self._is_alive(fresh.executor_id):
                return False
            dbos.resume_workflow(job.workflow_id)
            return True
        finally:
            turn.release()

    def _is_alive(self, executor: str) -> bool:
        if executor == self._executor:
            return True
        lock = self._lock_of(executor)
        if not lock.try_acquire():
            return True
        lock.release()
        return False

    def _launch(self) -> Any:
        """Start DBOS on first use: its import takes a second that most commands need not pay."""
        global _open_jobs
        with self._launch_lock:
            from dbos import DBOS

            if _open_jobs is self:
                return DBOS
            if _open_jobs is not None:
                raise Conflict("jobs_open", "This process already runs jobs of another store")
            self._presence.try_acquire(note=f"pid {os.getpid()} since {time.ctime()}")
            log = logging.getLogger("dbos")
            log.setLevel(logging.ERROR)
            log.addFilter(_is_news)
            DBOS(
                config={
                    "name": "lineside",
                    "system_database_url": self._address(),
                    "executor_id": self._executor,
                    "application_version": _VERSION,
                    "log_level": "ERROR",
                    "sys_db_pool_size": 5,
                    # Who ends waits for a last look at messages, which we send none of.
                    "notification_listener_polling_interval_sec": _MESSAGES_LOOKED_FOR_S,
                }
            )

            @DBOS.workflow(name="lineside_job")
            def perform(kind: str, payload: dict[str, Any]) -> Any:
                return self._handlers[kind](payload)

            self._perform = perform
            try:
                DBOS.launch()
            except Exception:
                # Else a half-launched one would stay, with this address, for whoever comes next.
                DBOS.destroy(workflow_completion_timeout_sec=0)
                raise
            _open_jobs = self
            return DBOS

    def _address(self) -> str:
        if not self._records.is_sqlite:
            return postgres_url(self._records.url)
        # A file of its own: DBOS polls, and the records should not wait behind that.
        return f"sqlite:///{self._folder / 'jobs.sqlite'}"
