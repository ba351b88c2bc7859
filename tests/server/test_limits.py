"""Counters of connections and of guesses, on a virtual clock."""

from mailhorn.server.limits import ConnectionLimits, Connections, Guesses, GuessLimits, network


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_connections_of_one_address_are_limited() -> None:
    """Others still get in, and who leaves makes room."""
    connections = Connections(ConnectionLimits(per_address=2))
    assert connections.enter("192.0.2.1") is None
    assert connections.enter("192.0.2.1") is None
    assert connections.enter("192.0.2.1") == ("Too many connections from your address, 2 are open", "LIMIT")
    assert connections.enter("192.0.2.2") is None
    assert connections.total == 3
    connections.leave("192.0.2.1")
    assert connections.enter("192.0.2.1") is None


def test_connections_in_total_are_limited() -> None:
    """This machine's count, too."""
    connections = Connections(ConnectionLimits(total=1, per_address=1))
    assert connections.enter("127.0.0.1") is None
    assert connections.enter("192.0.2.2") == ("Too many connections, try again later", "UNAVAILABLE")
    connections.leave("127.0.0.1")
    assert connections.enter("192.0.2.2") is None


def test_this_machine_is_no_neighbour() -> None:
    """A webmail brings everybody's connections."""
    connections = Connections(ConnectionLimits(per_address=1))
    assert [connections.enter("127.0.0.1") for _ in range(3)] == [None] * 3
    connections.log_in("ann", "127.0.0.1")
    for _ in range(3):
        connections.leave("127.0.0.1")
    connections.log_out("ann", "127.0.0.1")
    assert (connections.total, connections.addresses, connections.accounts) == (0, 0, 0)


def test_this_machine_is_a_neighbour_if_one_wants_it() -> None:
    """IPv4 and IPv6 of it are one."""
    connections = Connections(ConnectionLimits(per_address=1, per_account=1, this_machine=True))
    assert connections.enter("127.0.0.1") is None
    assert connections.enter("::1") == ("Too many connections from your address, 1 are open", "LIMIT")
    assert connections.log_in("ann", "::1") is None
    assert connections.log_in("ann", "127.0.0.1") is not None
    connections.log_out("ann", "::1")
    connections.leave("127.0.0.1")
    assert (connections.total, connections.addresses, connections.accounts) == (0, 0, 0)


def test_connections_of_one_account_are_limited() -> None:
    """Whatever address they come from."""
    connections = Connections(ConnectionLimits(per_account=1))
    assert connections.log_in("ann", "192.0.2.1") is None
    refusal = connections.log_in("ann", "192.0.2.2")
    assert refusal == ("Too many connections of this account, 1 are open", "LIMIT")
    assert connections.log_in("bob", "192.0.2.1") is None
    connections.log_out("ann", "192.0.2.1")
    assert connections.log_in("ann", "192.0.2.2") is None


def test_neighbours() -> None:
    """An IPv6 customer has 2^64 addresses."""
    assert network("192.0.2.1") == "192.0.2.1"
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::1") == "2001:db8:1:2::"
    assert network("::1") is network("127.8.8.8") is network("unix") is network("") is None


def test_guesses_wait_longer_and_longer() -> None:
    """The first ones are free, the wait doubles, and it has an end."""
    clock = Clock()
    guesses = Guesses(GuessLimits(free=1, first=1.0, longest=4.0), clock)
    waits = []
    for _ in range(6):
        wait = guesses.wait("192.0.2.1", "ann")
        assert wait is not None
        waits.append(wait)
        clock.now += wait
        guesses.failed("192.0.2.1", "ann")
    assert waits == [0.0, 0.0, 1.0, 2.0, 4.0, 4.0]
    assert guesses.wait("192.0.2.1", "bob") == 0.0
    assert guesses.wait("192.0.2.9", "ann") == 0.0


def test_many_guesses_at_once_queue_up_and_are_refused() -> None:
    """A hundred connections guess no faster than one."""
    clock = Clock()
    guesses = Guesses(GuessLimits(free=0, first=10.0, longest=10.0, patience=30.0), clock)
    guesses.failed("192.0.2.1", "ann")
    assert [guesses.wait("192.0.2.1", "ann") for _ in range(5)] == [10.0, 20.0, 30.0, None, None]


def test_success_is_forgiving_and_time_is_too() -> None:
    """But owning one account gives no free guesses at others'."""
    clock = Clock()
    guesses = Guesses(GuessLimits(free=0, free_per_address=1, first=1.0, memory=100.0), clock)
    guesses.failed("192.0.2.1", "ann")
    guesses.succeeded("192.0.2.1", "ann")
    assert guesses.wait("192.0.2.1", "ann") == 0.0
    guesses.failed("192.0.2.1", "bob")
    guesses.succeeded("192.0.2.1", "ann")
    assert guesses.wait("192.0.2.1", "ann") == 1.0
    clock.now += 101.0
    assert guesses.wait("192.0.2.1", "bob") == 0.0


def test_failures_take_bounded_memory() -> None:
    """The oldest are forgotten first."""
    guesses = Guesses(GuessLimits(remembered=10), Clock())
    for n in range(1000):
        guesses.failed(f"192.0.2.{n % 250}", f"user{n}")
    assert len(guesses._failures) == 20
