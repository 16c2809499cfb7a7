import pytest

from midstep.address import split_address
from midstep.errors import AddressError, ScenarioError
from midstep.scenario_file import parse
from tests import paced


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("edge.example:65535", ("edge.example", 65535)),
        ("[::1]:50051", ("[::1]", 50051)),
    ],
)
def test_host_and_port_are_told_apart(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address", ["localhost", "127.0.0.1:", ":1", "::1", "h:-1", "h:²", "127.0.0.1:99999", "h:1e3"]
)
def test_what_is_no_address_is_one_line(address: str) -> None:
    with pytest.raises(AddressError) as error:
        split_address(address)
    assert str(error.value).startswith(f"{address}: ") and "\n" not in str(error.value)
    with pytest.raises(ScenarioError, match=r"edges\.0\.address"):
        parse(paced.tree(edges=[{"address": address}]))
