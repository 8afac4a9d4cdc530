"""Questions say how far they are, and end when nobody waits for the answer."""

import asyncio
import multiprocessing
import threading

import numpy as np
import pytest
from starlette.requests import Request

from ictal.errors import ModelError
from ictal.models.hub import SHIPPED
from ictal.web import explainer
from ictal.web.explainer import Explainer
from ictal.web.questions import Questions
from ictal.web.worker_process import JobStoppedError, WorkerProcess
from tests.web.clients import wait_for


class Client(Request):
    """A client that stays until it is told to leave."""

    def __init__(self) -> None:
        super().__init__({"type": "http"})
        self.left = threading.Event()

    async def is_disconnected(self) -> bool:
        return self.left.is_set()


def test_a_question_is_answered_and_says_how_far_it_is():
    questions, seen = Questions(), []

    def ask(progress):
        progress("a task", 1, 4)
        seen.append(questions.progress("it"))
        return "answer"

    assert asyncio.run(questions.answer(Client(), "it", ask)) == "answer"
    assert seen == [{"task": "a task", "done": 1, "total": 4}]
    assert questions.progress("it")["task"] == ""


def test_work_ends_at_its_next_step_when_the_client_leaves():
    questions, client, steps = Questions(), Client(), []

    def ask(progress):
        while True:  # only the client can end it
            progress("for ever", len(steps), 0)
            steps.append(1)
            client.left.set()

    with pytest.raises(JobStoppedError):
        asyncio.run(questions.answer(client, "it", ask))
    assert steps
    assert questions.progress("it")["task"] == ""


def test_an_error_is_that_of_the_question():
    def ask(progress):
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        asyncio.run(Questions().answer(Client(), "it", ask))


class Line:
    """A process that was started: it reports progress until it is told to stop."""

    def __init__(self) -> None:
        self.line, self.theirs = multiprocessing.Pipe()
        self.reports = 0
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        self.theirs.recv()
        while True:
            self.reports += 1
            self.theirs.send(("progress", ("steps", self.reports, 100)))
            if not self.theirs.recv():
                self.theirs.send(("error", JobStoppedError()))
                return


def test_work_in_another_process_ends_at_its_next_step(tmp_path, monkeypatch):
    started = Line()
    process = WorkerProcess(tmp_path)
    monkeypatch.setattr(process, "_started", lambda: started.line)

    def give_up(task, done, total):
        if done == 3:
            raise JobStoppedError

    with pytest.raises(JobStoppedError):
        process.ask("why", progress=give_up)
    started.thread.join(60)
    assert started.reports == 3


def test_a_reader_who_turns_the_page_ends_the_work_of_the_server(client, base, viewer, monkeypatch):
    """The test's client cannot hang up in the middle, so its request says that it has."""
    stopped = []

    def for_ever(item, number, pattern, method, progress):
        try:
            while True:
                progress("for ever", 0, 1)
        except JobStoppedError:
            stopped.append(pattern)
            raise

    async def gone(_: Request) -> bool:
        return True

    monkeypatch.setattr(viewer._models, "why", for_ever)
    monkeypatch.setattr(Request, "is_disconnected", gone)
    assert client.get(f"{base}/why?time_s=100&pattern=lpd").status_code == 204
    wait_for(lambda: stopped == ["lpd"])


def test_memory_is_released_after_every_answer_even_if_the_work_ends_early(monkeypatch):
    released = []
    monkeypatch.setattr(explainer, "release_memory", lambda: released.append(1))
    model = Explainer(SHIPPED / "default")
    model.ask("features", [np.zeros((20, 10_000), dtype=np.float32)])
    assert len(released) == 1

    def stop(*_: object) -> None:
        raise JobStoppedError

    with pytest.raises(JobStoppedError):
        model.ask("why", np.zeros((20, 10_000), dtype=np.float32), 0.0, "lpd", "gradients", progress=stop)
    assert len(released) == 2
