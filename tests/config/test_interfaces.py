"""Numbers that are written once: handed to the constructors that take them, at any depth."""

from ldm.config.interfaces import hand_over

MLP = "ldm.networks.points.mlp.MLP"
GIVEN = {"shape": [7], "dim": 7, "in_features": 7, "classes": 3}


def test_a_constructor_is_handed_what_it_takes_and_the_configuration_leaves_out():
    node = {"_target_": MLP, "width": 8}
    assert hand_over(node, GIVEN) == {**node, "shape": [7], "dim": 7, "classes": 3}
    assert node == {"_target_": MLP, "width": 8}


def test_what_the_configuration_says_stays():
    assert hand_over({"_target_": MLP, "shape": [2], "classes": 0}, GIVEN)["shape"] == [2]
    assert hand_over({"_target_": MLP, "shape": None}, GIVEN)["shape"] is None


def test_nested_parts_are_handed_theirs():
    features = {"_target_": "ldm.networks.points.point_features.FourierFeatures", "frequencies": 2}
    node = {"_target_": MLP, "features": features, "options": [features, 3]}
    found = hand_over(node, GIVEN)
    assert found["features"] == {**features, "in_features": 7}
    assert found["options"] == [{**features, "in_features": 7}, 3]


def test_what_no_constructor_takes_goes_nowhere():
    flat = {"_target_": "ldm.spaces.Sphere"}
    assert hand_over(flat, {"shape": [3], "classes": 10}) == flat
