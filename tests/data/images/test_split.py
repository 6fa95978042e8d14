"""Held-out images: the same share of every class, and never all of one."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from data.images.split import held_out

classes = st.lists(st.sampled_from("abcde"), min_size=1, max_size=60)
fractions = st.floats(0.01, 0.99)


@given(classes, fractions)
def test_no_class_is_only_in_the_held_out_share(names, fraction):
    chosen = set(held_out(names, fraction))
    kept = [name for row, name in enumerate(names) if row not in chosen]
    assert set(kept) == set(names)


@given(classes, fractions)
def test_every_class_that_can_gives_the_same_share_up_to_one_image(names, fraction):
    chosen = held_out(names, fraction)
    sizes, given_ = Counter(names), Counter(names[row] for row in chosen)
    largest = max((given_[name] / size for name, size in sizes.items()), default=0)
    for name, size in sizes.items():
        if given_[name] + 1 < size:  # it can give another
            assert (given_[name] + 1) / size >= largest


@given(classes, fractions)
def test_the_whole_share_is_held_out_where_the_classes_can_spare_it(names, fraction):
    spare = len(names) - len(set(names))
    assert len(held_out(names, fraction)) == min(round(len(names) * fraction) or 1, spare)
