"""Fixtures of the system and client tests; both conftest.py take them from here."""

import pytest

import gateway as gw
from pg import Postgres


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures see whether the test failed: item.failed."""
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True


def _failed(request):
    return getattr(request.node, "failed", False)


@pytest.fixture(scope="session")
def pg_cluster():
    """One cluster a test process; a test that stops it need not start it again."""
    cluster = Postgres()
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture
def pg(pg_cluster):
    """The cluster, running."""
    pg_cluster.thaw()
    pg_cluster.ensure_running()
    yield pg_cluster
    pg_cluster.thaw()
    pg_cluster.ensure_running()


@pytest.fixture
def mock_factory():
    """mock_factory(...) starts one more mock provider."""
    from mock import Mock
    started = []

    def start(*args, **kwargs):
        started.append(Mock.start(*args, **kwargs))
        return started[-1]
    yield start
    for one in started:
        one.stop()


@pytest.fixture
def mock(mock_factory):
    """A mock provider."""
    return mock_factory()


@pytest.fixture
def gateway_factory(request, pg):
    """gateway_factory(conf={...}, ...) starts a gateway; see Gateway."""
    started = []

    def start(*args, **kwargs):
        if "mock" in request.fixturenames:
            kwargs.setdefault("mock", request.getfixturevalue("mock"))
        started.append(gw.Gateway(pg, *args, **kwargs))
        return started[-1]
    yield start
    complaints = []
    pg.thaw()
    pg.ensure_running()
    for one in started:
        try:
            one.close(_failed(request))
        except AssertionError as error:
            complaints.append(str(error))
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def gateway(gateway_factory, mock):
    """A gateway with two workers and one mock provider."""
    return gateway_factory(mock=mock)
