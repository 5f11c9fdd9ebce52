from hypothesis import given
from hypothesis import strategies as st

from cxrfair.hashing import stable_hash


def test_the_number_is_the_same_on_every_machine_and_in_every_release():
    assert stable_hash(7, "p1") == 8935228495560352664
    assert len({stable_hash(7, "p1"), stable_hash(8, "p1"), stable_hash(7, "p2")}) == 3


@given(st.lists(st.one_of(st.integers(), st.text()), max_size=4))
def test_it_fits_a_signed_64_bit_column(parts):
    assert 0 <= stable_hash(*parts) < 2**63


def test_parts_do_not_run_into_one_another():
    assert stable_hash("ab", "c") != stable_hash("a", "bc")
    assert stable_hash("a:b", "c") != stable_hash("a", "b:c")
