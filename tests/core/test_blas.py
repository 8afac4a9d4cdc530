"""Products run on one thread while anybody asks for it, and on as many as before afterwards."""

import threading

from threadpoolctl import ThreadpoolController

from ictal.core.blas import one_blas_thread

LIBRARIES = ThreadpoolController().select(user_api="blas")


def threads() -> set[int]:
    return {library.num_threads for library in LIBRARIES.lib_controllers}


def test_whoever_leaves_first_does_not_free_the_threads_of_others():
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    with LIBRARIES.limit(limits=2):
        before = threads()
        thread = threading.Thread(target=other)
        with one_blas_thread():
            thread.start()
            assert inside.wait(10)
        assert threads() == {1}
        leave.set()
        thread.join()
        assert threads() == before
