import pytest

from mrilu.search.conditions import ALWAYS
from mrilu.search.spelling import find_alike
from tests.embeddings.made import define


@pytest.mark.parametrize("written", ["mltau", "mltu", "mlaatu", "mlaty"])
def test_an_exchanged_missing_surplus_or_changed_letter_is_one_slip(database, written):
    wanted = define("mlatu", "a cat")
    define("gerku", "a dog")
    assert find_alike(database, written, ALWAYS) == [wanted.id]


def test_fewer_slips_come_first(database):
    far, near = define("mlatxxu", "a cat"), define("mlatu", "a cat")
    assert find_alike(database, "mlaatu", ALWAYS)[0] == near.id != far.id


@pytest.mark.parametrize("written", ["ml", "m" * 41, "qqqqq"])
def test_what_is_no_slip_finds_nothing(database, written):
    define("mlatu", "a cat")
    assert find_alike(database, written, ALWAYS) == []
