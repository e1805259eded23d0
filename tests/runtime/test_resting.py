"""How long what is done again and again rests."""

from mrilu.runtime.resting import LONGEST, rest_after


def test_a_rest_is_twenty_times_as_long_as_what_was_done():
    assert rest_after(0.5) == 10.0
    assert rest_after(0.5, share=5) == 2.5


def test_after_what_hung_for_hours_nothing_rests_for_days():
    assert rest_after(7200.0) == LONGEST == 3600.0
